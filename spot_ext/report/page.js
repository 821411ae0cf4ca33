// Values under the pointer, in every chart: a line, and a box with the value of each series.
"use strict";
for (const svg of document.querySelectorAll("svg.chart[data-chart]")) {
  const data = JSON.parse(svg.dataset.chart);
  const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  const line = document.createElementNS(svg.namespaceURI, "line");
  for (const [name, value] of Object.entries({class: "pointer", y1: 10, y2: height - 28, visibility: "hidden"}))
    line.setAttribute(name, value);
  svg.append(line);
  const tip = document.createElement("div");
  tip.className = "tip";
  svg.parentElement.append(tip);
  svg.addEventListener("pointermove", event => {
    const place = svg.getBoundingClientRect(), at = (event.clientX - place.left) / place.width * width;
    let nearest = 0;
    data.px.forEach((x, i) => { if (Math.abs(x - at) < Math.abs(data.px[nearest] - at)) nearest = i; });
    line.setAttribute("x1", data.px[nearest]);
    line.setAttribute("x2", data.px[nearest]);
    line.setAttribute("visibility", "visible");
    tip.replaceChildren(Object.assign(document.createElement("b"), {textContent: `${data.name} ${data.x[nearest]}`}));
    for (const series of data.series) {
      if (!series.text[nearest]) continue;
      const row = Object.assign(document.createElement("span"), {className: `key ${series.colour}`});
      row.textContent = `${data.series.length > 1 ? series.name + " " : ""}${series.text[nearest]}`;
      tip.append(row);
    }
    const left = data.px[nearest] / width * place.width, flip = left > place.width / 2;
    tip.style.cssText = `display:grid;top:${svg.offsetTop + 8}px;left:${svg.offsetLeft + left + (flip ? -10 : 10)}px;` +
      `transform:translateX(${flip ? "-100%" : "0"})`;
  });
  svg.addEventListener("pointerleave", () => { tip.style.display = "none"; line.setAttribute("visibility", "hidden"); });
}
