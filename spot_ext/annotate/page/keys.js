// Keys of the whole page. In text fields they type, and Escape leaves the field.

export function bindKeys(app) {
  const nudge = (dx, dy, dw = 0, dh = 0) => (event) => {
    const by = event.shiftKey ? 10 : 1;
    app.nudge(dx * by, dy * by, dw * by, dh * by);
  };
  const step = (direction) => (event) => app.go(app.frame + direction * (event.shiftKey ? 10 : 1));
  const actions = {
    n: () => app.step(1), p: () => app.step(-1), arrowleft: step(-1), arrowright: step(1), u: () => app.leastSure(),
    home: () => app.go(0), end: () => app.go(app.model.frames - 1),
    w: nudge(0, -1), s: nudge(0, 1), a: nudge(-1, 0), d: nudge(1, 0),
    i: nudge(0, 0, 0, -1), k: nudge(0, 0, 0, 1), j: nudge(0, 0, -1, 0), l: nudge(0, 0, 1, 0),
    b: () => app.boxInTheMiddle(), c: () => app.copyNearest(), x: () => app.absent(), enter: () => app.accept(),
    delete: () => app.remove(), backspace: () => app.remove(), o: () => app.addObject(), h: () => app.hideProposals(),
    z: (event) => (event.shiftKey ? app.redo() : app.undo()), y: () => app.redo(),
    "+": () => app.stage.zoomBy(1.25), "=": () => app.stage.zoomBy(1.25), "-": () => app.stage.zoomBy(0.8), 0: () => app.stage.fit(),
    escape: () => app.stage.cancel(), "?": () => { const help = document.getElementById("help"); help.open = !help.open; },
  };

  document.addEventListener("keydown", (event) => {
    const field = event.target.closest?.("input");
    if (field) {
      if (event.key === "Escape" || event.key === "Enter") field.blur();
      return;
    }
    const key = event.key.toLowerCase();
    if (event.altKey || ((event.ctrlKey || event.metaKey) && key !== "z" && key !== "y")) return;
    if ((key === "enter" || key === " ") && event.target.closest?.("button, summary")) return;  // they press the button
    if (key === " ") { app.stage.spaceDown = true; event.preventDefault(); return; }
    const number = /^[1-9]$/.test(key) ? app.model.objects[Number(key) - 1] : null;
    const action = number ? () => app.choose(number.id) : actions[key];
    if (!action) return;
    event.preventDefault();
    action(event);
  });
  document.addEventListener("keyup", (event) => { if (event.key === " ") app.stage.spaceDown = false; });
  window.addEventListener("blur", () => { app.stage.spaceDown = false; });

  const press = { "previous-wanted": "p", "next-wanted": "n", "previous-frame": "arrowleft", "next-frame": "arrowright",
                  accept: "enter", copy: "c", absent: "x", remove: "delete", undo: "z", redo: "y", "add-object": "o",
                  "zoom-in": "+", "zoom-out": "-", "zoom-fit": "0" };
  for (const [id, key] of Object.entries(press)) {
    document.getElementById(id).addEventListener("click", (event) => actions[key](event));
  }
  const number = document.getElementById("frame-number");
  number.addEventListener("change", () => app.go(Math.round(Number(number.value)) || 0));
}
