"use strict";
// Sorts, filters and opens the rows of tables, and moves the graph. Without it, all of the page is there and open.
(() => {
  const root = document.documentElement;
  root.classList.add("script");
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // The theme: that of the system until somebody chooses.
  const theme = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const showTheme = () => theme.setAttribute("aria-pressed", String(isDark()));
  theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; showTheme(); });
  system.addEventListener("change", showTheme);
  showTheme();

  // What is wider than its place is reached by the keyboard, too: it is scrolled there.
  const reach = (entries) => entries.forEach(({ target }) => {
    const needed = target.scrollWidth > target.clientWidth;
    const title = target.closest("section").getAttribute("aria-labelledby");
    Object.entries({ tabindex: "0", role: "group", "aria-labelledby": title }).forEach(([name, value]) => {
      if (needed) target.setAttribute(name, value);
      else target.removeAttribute(name);
    });
  });
  const widths = new ResizeObserver(reach);
  all(".scroll:not(.tall)").forEach((one) => widths.observe(one));

  // Rows open and close.
  const setOpen = (row, open) => {
    const button = row.querySelector("button.open");
    if (!button) return;
    row.classList.toggle("is-open", open);
    button.setAttribute("aria-expanded", String(open));
  };
  all("button.open").forEach((button) => {
    const row = button.closest("tbody");
    button.addEventListener("click", () => setOpen(row, !row.classList.contains("is-open")));
  });
  all("[data-open-all]").forEach((button) => button.addEventListener("click", () => {
    const rows = all("tbody.row:not([hidden])", document.getElementById(button.dataset.openAll));
    const open = rows.some((row) => !row.classList.contains("is-open"));
    rows.forEach((row) => setOpen(row, open));
    button.textContent = open ? "Close all" : "Open all";
  }));

  // On paper nothing can be opened: what a row that is open folds away is printed too.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = all(".is-open details:not([open]), #verify details:not([open])");
    folded.forEach((one) => { one.open = true; });
  });
  addEventListener("afterprint", () => { folded.forEach((one) => { one.open = false; }); folded = []; });

  // Tables are sorted by a click on a column's title: up, down.
  const collator = new Intl.Collator("en", { numeric: true });
  all("table.rows").forEach((table) => {
    const heads = all("thead th[data-sort]", table);
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((one) => one.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const isNumber = head.dataset.sort === "number";
        const value = (row) => {
          const cell = row.rows[0].cells[column];
          return isNumber ? Number(cell.dataset.value) : (cell.querySelector("button, code, .chip") || cell).textContent.trim();
        };
        const rows = all("tbody.row", table).map((row, place) => ({ row, place, value: value(row) }));
        rows.sort((one, other) => {
          const order = isNumber ? one.value - other.value : collator.compare(one.value, other.value);
          return (down ? -order : order) || one.place - other.place;
        });
        table.append(...rows.map((one) => one.row));
      });
    });
  });

  // Tables are filtered by text and by the values of fields.
  const filters = new Map();
  const updates = new Map();
  all("[data-filters]").forEach((control) => {
    const id = control.dataset.filters;
    filters.set(id, [...(filters.get(id) || []), control]);
  });
  filters.forEach((controls, id) => {
    const table = document.getElementById(id);
    const rows = all("tbody.row", table);
    const texts = new Map();
    const textOf = (row) => {
      if (!texts.has(row)) texts.set(row, row.textContent.toLowerCase());
      return texts.get(row);
    };
    const apply = () => {
      let shown = 0;
      for (const row of rows) {
        const fits = controls.every((control) => {
          const wanted = control.value.trim();
          if (!wanted) return true;
          const field = control.dataset.field;
          return field ? row.dataset[field] === wanted : wanted.toLowerCase().split(/\s+/).every((word) => textOf(row).includes(word));
        });
        row.hidden = !fits;
        shown += fits ? 1 : 0;
      }
      const count = document.querySelector(`[data-count="${id}"]`);
      if (count) count.textContent = shown === rows.length ? `${shown} shown` : `${shown} of ${rows.length} shown`;
      const none = table.closest("section").querySelector(".none");
      if (none) none.hidden = shown > 0;
    };
    controls.forEach((control) => control.addEventListener(control.dataset.field ? "change" : "input", apply));
    updates.set(id, apply);
    apply();
  });

  // A link to a row shows it, whatever the filters say, and opens it.
  const showTarget = () => {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (!target || !target.matches("tbody.row")) return;
    const table = target.closest("table");
    if (target.hidden) {
      (filters.get(table.id) || []).forEach((control) => { control.value = ""; });
      updates.get(table.id)();
    }
    setOpen(target, true);
    target.scrollIntoView();
  };
  addEventListener("hashchange", showTarget);
  showTarget();

  // The graph: what is chosen, and where it is seen from.
  const svg = document.getElementById("drawing");
  if (!svg) return;
  const about = document.getElementById("about");
  const nodes = all(".node", svg);
  const edges = all(".edge", svg);
  const choose = (node) => {
    const already = !node || node.getAttribute("aria-pressed") === "true";
    nodes.forEach((one) => { one.setAttribute("aria-pressed", "false"); one.classList.remove("near"); });
    edges.forEach((one) => one.classList.remove("near"));
    svg.classList.toggle("chosen", !already);
    about.replaceChildren();
    if (already) return;
    node.setAttribute("aria-pressed", "true");
    const chain = node.dataset.chain.split(" ");
    const near = new Set(chain);
    edges.forEach((edge) => {
      const { from, to } = edge.dataset;
      const place = chain.indexOf(to);
      const isStep = place > 0 && chain[place - 1] === from;
      if (from === node.id || to === node.id || isStep) {
        edge.classList.add("near");
        near.add(from).add(to);
      }
    });
    nodes.forEach((one) => one.classList.toggle("near", near.has(one.id)));
    const note = document.getElementById(`${node.id}-note`).cloneNode(true);
    note.removeAttribute("id");
    note.hidden = false;
    about.append(note);
  };

  const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  let view = { x: 0, y: 0, width, height };
  const show = () => svg.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
  const zoom = (factor, x = view.x + view.width / 2, y = view.y + view.height / 2) => {
    const wide = Math.min(Math.max(view.width / factor, width / 8), width * 2);
    const scale = wide / view.width;
    view = { x: x - (x - view.x) * scale, y: y - (y - view.y) * scale, width: wide, height: view.height * scale };
    show();
  };
  const pointOf = (event) => new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  all("[data-zoom]").forEach((button) => button.addEventListener("click", () => {
    const factor = Number(button.dataset.zoom);
    if (factor) zoom(factor);
    else { view = { x: 0, y: 0, width, height }; show(); }
  }));
  svg.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    const at = pointOf(event);
    zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15, at.x, at.y);
  }, { passive: false });
  let held = null;
  svg.addEventListener("pointerdown", (event) => {
    if (event.button === 0) held = { from: pointOf(event), x: event.clientX, y: event.clientY, moved: false, id: event.pointerId };
  });
  svg.addEventListener("pointermove", (event) => {
    if (!held) return;
    if (!held.moved && Math.hypot(event.clientX - held.x, event.clientY - held.y) < 5) return;
    if (!held.moved) { held.moved = true; svg.setPointerCapture(held.id); svg.classList.add("moving"); }
    const now = pointOf(event);
    view = { ...view, x: view.x + held.from.x - now.x, y: view.y + held.from.y - now.y };
    show();
  });
  let dragged = false;
  const release = () => { dragged = Boolean(held && held.moved); held = null; svg.classList.remove("moving"); };
  svg.addEventListener("pointerup", release);
  svg.addEventListener("pointercancel", release);
  svg.addEventListener("click", (event) => {
    if (dragged) { dragged = false; return; }
    choose(event.target.closest(".node"));
  });
  // What the keyboard reaches is seen, however far in the graph is.
  svg.addEventListener("focusin", (event) => {
    const node = event.target.closest(".node");
    if (!node || !node.matches(":focus-visible")) return;
    const [x, y] = node.getAttribute("transform").match(/[\d.]+/g).map(Number);
    const size = node.querySelector("rect");
    const [wide, high] = [Number(size.getAttribute("width")), Number(size.getAttribute("height"))];
    const isSeen = x >= view.x && y >= view.y && x + wide <= view.x + view.width && y + high <= view.y + view.height;
    if (isSeen) return;
    view = { ...view, x: x + wide / 2 - view.width / 2, y: y + high / 2 - view.height / 2 };
    show();
  });
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  svg.addEventListener("keydown", (event) => {
    const node = event.target.closest(".node");
    if (event.key === "Escape") choose(null);
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key in arrows) {
      event.preventDefault();
      const [right, down] = arrows[event.key];
      view = { ...view, x: view.x + right * view.width / 10, y: view.y + down * view.height / 10 };
      show();
    }
    if (event.key === "+" || event.key === "-") zoom(event.key === "+" ? 1.25 : 0.8);
    if (node && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); choose(node); }
  });
})();
