"""One command a module: parse, call one use case, render, exit code."""
