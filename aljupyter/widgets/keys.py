"""Keys that stay where they are pressed."""

from __future__ import annotations

import anywidget
import ipywidgets as w
import traitlets

# JupyterLab takes letters pressed on a focused button or menu for commands of the notebook (`d d` deletes the cell),
# unless that element carries an attribute. And the browser drops the focus of a button that is disabled for a round.
_SCRIPT = """
function guard(root) {
    let last = null;
    root.addEventListener("focusin", event => {
        last = event.target;
        last.setAttribute("data-lm-suppress-shortcuts", "true");
    });
    new MutationObserver(() => {
        if (last && !last.disabled && document.activeElement === document.body) last.focus();
    }).observe(root, { subtree: true, attributeFilter: ["disabled"] });
    root.addEventListener("focusout", event => {
        if (event.relatedTarget) last = null;  // a person went elsewhere; nobody did when the button was disabled
    });
    document.addEventListener("pointerdown", event => { if (!root.contains(event.target)) last = null; });
}

function render({ model, el }) {
    const find = () => {
        const root = el.closest("." + model.get("_root"));
        if (root) guard(root); else if (tries-- > 0) requestAnimationFrame(find);
    };
    let tries = 300;
    find();
}

export default { render };
"""


class KeyGuard(anywidget.AnyWidget):
    """An unseen part of a view that keeps keys pressed in it from the notebook, and the focus where it was.

    Parameters
    ----------
    root : str
        Class of the view's outermost element.
    """

    _esm = _SCRIPT
    _root = traitlets.Unicode().tag(sync=True)

    def __init__(self, root: str):
        super().__init__(_root=root, layout=w.Layout(display="none"))
