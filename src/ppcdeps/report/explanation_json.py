"""Explanations as JSON: the same value that `ppcdeps why` shows as text."""

import json

from ppcdeps.model.plan_file import gap_document
from ppcdeps.planning.explanation import Explanation


def dump_explanation(explanation: Explanation) -> str:
    """The explanation as JSON text, keys sorted."""
    document = {
        "name": explanation.name,
        "subject": explanation.subject,
        "status": explanation.status,
        "chain": [
            {"by": link.by, "requirement": link.requirement, "brings": link.brings} for link in explanation.chain
        ],
        "gap": gap_document(explanation.gap) if explanation.gap is not None else None,
        "tried": list(explanation.tried),
    }
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
