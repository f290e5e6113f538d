"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const place = document.getElementById("panels");
  if (!place || !data.panels.length) return;
  const whole = { min: 0, max: data.duration };
  const INK = "#1a1a1a", SOFT = "#555", OUTCOMES = { pass: "#00694d", fail: "#a83800" };
  const plots = [];
  let busy = false;

  const hatch = (() => {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const pen = tile.getContext("2d");
    pen.strokeStyle = "#d55e00";
    for (const x of [-4, 4]) { pen.moveTo(x, 8); pen.lineTo(x + 8, 0); }
    pen.stroke();
    return pen.createPattern(tile, "repeat");
  })();

  // Each adds itself to the pen's path.
  const shapes = {
    dot: (pen, x, y, r) => { pen.rect(x - r * 0.7, y - r * 0.7, r * 1.4, r * 1.4); },
    ring: (pen, x, y, r) => { const d = 1.2 * r; pen.moveTo(x, y - d); pen.lineTo(x + d, y); pen.lineTo(x, y + d); pen.lineTo(x - d, y); pen.closePath(); },
    square: (pen, x, y, r) => { pen.rect(x - r, y - r, 2 * r, 2 * r); },
    triangle: (pen, x, y, r) => { pen.moveTo(x, y - 1.4 * r); pen.lineTo(x + 1.3 * r, y + r); pen.lineTo(x - 1.3 * r, y + r); pen.closePath(); },
    diamond: (pen, x, y, r) => { pen.moveTo(x, y - 1.5 * r); pen.lineTo(x + 1.5 * r, y); pen.lineTo(x, y + 1.5 * r); pen.lineTo(x - 1.5 * r, y); pen.closePath(); },
    cross: (pen, x, y, r) => { pen.moveTo(x - 1.5 * r, y - 1.5 * r); pen.lineTo(x + 1.5 * r, y + 1.5 * r); pen.moveTo(x + 1.5 * r, y - 1.5 * r); pen.lineTo(x - 1.5 * r, y + 1.5 * r); },
  };
  const filled = new Set(["dot", "diamond"]);

  const clipped = (u, draw) => {
    const { left, top, width, height } = u.bbox;
    u.ctx.save();
    u.ctx.beginPath();
    u.ctx.rect(left, top, width, height);
    u.ctx.clip();
    u.ctx.textAlign = "left";
    u.ctx.textBaseline = "alphabetic";
    draw(u.ctx, left, top, width, height);
    u.ctx.restore();
  };
  const at = (u, seconds) => u.valToPos(seconds, "x", true);

  const shade = (u) => clipped(u, (pen, left, top, width, height) => {
    for (const event of data.events) {
      const from = at(u, event.start), to = Math.max(at(u, event.end), from + 1);
      pen.fillStyle = "#ececec";
      pen.fillRect(from, top, to - from, height);
      pen.fillStyle = "#999";
      pen.fillRect(from, top, 1, height);
      pen.fillRect(to, top, 1, height);
    }
  });

  const points = (u, panel) => clipped(u, (pen, left, top, width, height) => {
    const { min, max } = u.scales.x, { min: low, max: high } = u.scales.y;
    const r = uPlot.pxRatio * (max - min < data.duration / 8 ? 2.2 : 1.5);
    const scale = panel.log ? Math.log10 : (value) => value;
    const perX = width / (max - min), bottom = scale(low), perY = height / (scale(high) - bottom);
    const times = u.data[0], first = nearest(times, min), last = nearest(times, max);
    panel.series.forEach((series, row) => {
      if (!series.shape) return;
      const draw = shapes[series.shape], values = u.data[row + 1];
      pen.fillStyle = pen.strokeStyle = series.colour;
      pen.lineWidth = series.shape === "cross" ? 2 * uPlot.pxRatio : uPlot.pxRatio;
      const paint = filled.has(series.shape) ? () => pen.fill() : () => pen.stroke();
      let column = -1, heights = new Set(); // a pixel is drawn once, however many points fall on it
      for (let i = first; i <= last; i++) {
        if (values[i] === null) continue;
        const x = left + (times[i] - min) * perX, y = top + height - (scale(values[i]) - bottom) * perY;
        if (Math.round(x) !== column) { column = Math.round(x); heights.clear(); }
        if (heights.has(Math.round(y))) continue;
        heights.add(Math.round(y));
        if (series.shape === "dot") { pen.fillRect(x - r * 0.7, y - r * 0.7, r * 1.4, r * 1.4); continue; }
        pen.beginPath(); // one path a point: a path of thousands is slow to fill
        draw(pen, x, y, r);
        paint();
      }
    });
  });

  const rug = (u, panel) => clipped(u, (pen, left, top, width, height) => {
    const tall = 9 * uPlot.pxRatio;
    pen.fillStyle = "#d55e00";
    const { min, max } = u.scales.x, per = width / (max - min);
    let drawn = -1; // what lies within a pixel that has its line already adds nothing to it
    for (const [from, to] of panel.rug) {
      if (to < min || from > max) continue;
      const x = left + (from - min) * per, end = Math.max(x + uPlot.pxRatio, left + (to - min) * per);
      if (end <= drawn) continue;
      pen.fillRect(Math.max(x, drawn), top + height - tall, Math.max(end - Math.max(x, drawn), 1), tall);
      drawn = end;
    }
  });

  const marks = (u) => clipped(u, (pen, left, top) => {
    const ratio = uPlot.pxRatio;
    pen.font = `bold ${11 * ratio}px system-ui, "DejaVu Sans", sans-serif`;
    data.marks.forEach((mark, row) => {
      const y = top + (8 + 24 * row) * ratio, from = at(u, mark.start), bound = at(u, mark.start + mark.bound);
      pen.fillStyle = SOFT;
      pen.fillRect(from, y + ratio, bound - from, ratio);
      pen.fillRect(bound, y - 4 * ratio, 2 * ratio, 11 * ratio);
      pen.fillStyle = OUTCOMES[mark.outcome] || SOFT;
      pen.fillRect(from, y - ratio, Math.max(at(u, mark.start + mark.value) - from, 2), 5 * ratio);
      const width = pen.measureText(mark.text).width, x = Math.min(from, u.bbox.left + u.bbox.width - width - 4);
      pen.fillStyle = "rgba(255,255,255,0.85)";
      pen.fillRect(x, y + 5 * ratio, width, 13 * ratio);
      pen.fillStyle = OUTCOMES[mark.outcome] || SOFT;
      pen.fillText(mark.text, x, y + 15 * ratio);
    });
  });

  const bands = (u) => clipped(u, (pen, left, top, width, height) => {
    const ratio = uPlot.pxRatio, each = height / data.carriers.length;
    pen.font = `bold ${11 * ratio}px system-ui, "DejaVu Sans", sans-serif`;
    data.carriers.forEach((carrier, row) => {
      for (const part of carrier.stretches) {
        const from = Math.max(at(u, part.start), left), to = Math.min(at(u, part.end), left + width), y = top + row * each;
        if (to <= from) continue;
        const look = data.uplinks[part.uplink];
        pen.fillStyle = part.uplink === null ? hatch : look ? look.colour : SOFT;
        pen.fillRect(from, y + 1, to - from, each - 2);
        const name = part.uplink === null ? "nobody" : part.uplink, wide = pen.measureText(name).width + 8;
        if (to - from > wide) {
          pen.fillStyle = "#fff";
          pen.fillRect((from + to - wide) / 2, y + 3, wide, each - 6);
          pen.fillStyle = INK;
          pen.fillText(name, (from + to - wide) / 2 + 4, y + each / 2 + 4 * ratio);
        }
      }
    });
  });

  const zoomed = (u, key) => {
    if (key !== "x" || busy) return;
    busy = true;
    const { min, max } = u.scales.x;
    for (const other of plots) if (other.plot !== u) other.plot.setScale("x", { min, max });
    busy = false;
  };

  const line = (series) => ({
    label: series.label,
    stroke: series.shape ? "transparent" : series.colour,
    width: series.faint ? 1 : 1.5,
    dash: series.dash || [],
    alpha: series.faint ? 0.5 : 1,
    fill: series.fill ? series.colour + "30" : undefined,
    spanGaps: Boolean(series.dash) || Boolean(series.step),
    paths: series.shape ? () => null : series.step ? uPlot.paths.stepped({ align: 1 }) : uPlot.paths.linear(),
    points: { show: false },
  });

  const add = (panel, height, more) => {
    const figure = document.createElement("figure"), caption = document.createElement("figcaption"), name = document.createElement("b");
    figure.className = "panel";
    name.textContent = panel.title + (panel.unit ? ` (${panel.unit})` : "");
    caption.append(name, " ", more.caption || "");
    figure.append(caption);
    place.append(figure);
    const plot = new uPlot({
      width: place.clientWidth || 1000,
      height,
      scales: { x: { time: false, ...whole }, y: more.y },
      series: [{ label: "time (s)" }, ...panel.series.map(line)],
      axes: [
        { show: more.times, size: 34, label: more.times ? "time since the start (s)" : undefined, labelSize: 16, stroke: INK, grid: { stroke: "#e2e2e2", width: 1 }, values: (u, ticks) => ticks.map((t) => +t.toFixed(3)) },
        { show: true, size: 60, stroke: INK, grid: { show: !more.bare, stroke: "#e2e2e2", width: 1 }, ticks: { show: !more.bare }, values: more.bare ? () => [] : (u, ticks) => ticks.map((t) => (t === null ? "" : String(+t.toFixed(3)))) },
      ],
      padding: [8, 16, more.bare ? 4 : 2, 0],
      legend: { show: false },
      cursor: { sync: { key: "run", setSeries: false }, drag: { x: true, y: false }, points: { show: false }, y: false },
      hooks: { drawClear: [shade], draw: more.draw, setScale: [zoomed], setCursor: [read] },
    }, [panel.x, ...panel.series.map((series) => series.data)], figure);
    const canvas = plot.root.querySelector("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", panel.summary);
    plots.push({ plot, panel });
  };

  // The reading: what every panel says at the cursor.
  const slider = document.getElementById("cursor"), reading = document.getElementById("reading");
  let moved = false;
  const read = (u) => {
    if (busy || u.cursor.left === null || u.cursor.left < 0) return;
    const t = u.posToVal(u.cursor.left, "x");
    if (!moved) slider.value = String(Math.round((1000 * t) / data.duration));
    reading.textContent = told(t);
  };
  const nearest = (times, t) => {
    let low = 0, high = times.length - 1;
    while (high - low > 1) { const middle = (low + high) >> 1; if (times[middle] < t) low = middle; else high = middle; }
    return t - times[low] < times[high] - t ? low : high;
  };
  const told = (t) => {
    const parts = [`${t.toFixed(3)} s`];
    for (const carrier of data.carriers) {
      const part = carrier.stretches.find((s) => s.start <= t && t < s.end);
      parts.push(`${carrier.label} carried by ${part && part.uplink ? part.uplink : "nobody"}`);
    }
    for (const event of data.events) if (event.start <= t && t < event.end) parts.push(event.title);
    for (const { panel } of plots) {
      for (const series of panel.series) {
        if (series.faint || !panel.x.length) continue;
        const reach = series.step ? data.duration / 50 : data.duration / 400;
        let best = nearest(panel.x, t);
        for (let off = 0; off < 200 && series.data[best] === null; off++) best += best > 0 && panel.x[best] > t ? -1 : 1;
        const value = series.data[best];
        if (value !== null && value !== undefined && Math.abs(panel.x[best] - t) <= reach) parts.push(`${panel.title} ${series.label}: ${value} ${panel.unit}`);
      }
    }
    return parts.join(" · ");
  };
  slider.addEventListener("input", () => {
    const t = (slider.value / 1000) * data.duration, first = plots[0].plot;
    moved = true;
    for (const { plot } of plots) plot.setCursor({ left: plot.valToPos(t, "x"), top: 5 }, false);
    moved = false;
    reading.textContent = told(t);
    slider.setAttribute("aria-valuetext", `${t.toFixed(2)} s`);
  });

  const zoom = (min, max) => {
    const length = Math.min(max - min, whole.max), from = Math.min(Math.max(min, 0), whole.max - length);
    plots[0].plot.setScale("x", { min: from, max: from + length });
  };
  const move = {
    in: (min, max, d) => zoom(min + d / 4, max - d / 4),
    out: (min, max, d) => zoom(min - d / 2, max + d / 2),
    earlier: (min, max, d) => zoom(min - d / 2, max - d / 2),
    later: (min, max, d) => zoom(min + d / 2, max + d / 2),
    all: () => zoom(0, whole.max),
  };
  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => {
      const { min, max } = plots[0].plot.scales.x;
      move[button.dataset.zoom](min, max, max - min);
    });
  }
  const events = document.getElementById("to-events");
  for (const event of data.events.slice(0, 12)) {
    const button = document.createElement("button"), length = event.end - event.start;
    button.type = "button";
    button.textContent = event.title;
    button.addEventListener("click", () => zoom(event.start - 2 - length / 10, event.end + 8 + length / 4));
    events.append(button, " ");
  }

  const looks = document.getElementById("looks");
  const legend = (name, paint) => {
    const entry = document.createElement("span"), sample = document.createElement("canvas");
    sample.width = 44; sample.height = 16; sample.className = "swatch";
    sample.setAttribute("aria-hidden", "true");
    paint(sample.getContext("2d"));
    entry.append(sample, name);
    looks.append(entry);
  };
  for (const [name, look] of Object.entries(data.uplinks)) {
    legend(name, (pen) => {
      pen.fillStyle = pen.strokeStyle = look.colour;
      pen.lineWidth = 2;
      pen.fillRect(0, 0, 12, 16);
      pen.beginPath(); shapes[look.shape](pen, 20, 8, 4); if (filled.has(look.shape)) pen.fill(); else pen.stroke();
      pen.setLineDash(look.dash); pen.beginPath(); pen.moveTo(27, 8); pen.lineTo(44, 8); pen.stroke();
    });
  }
  legend("event", (pen) => { pen.fillStyle = "#d5d5d5"; pen.fillRect(0, 0, 44, 16); });
  legend("lost", (pen) => { pen.fillStyle = "#d55e00"; for (const x of [4, 8, 18, 30]) pen.fillRect(x, 2, 2, 14); });

  if (data.carriers.length) {
    const names = data.carriers.map((carrier) => carrier.label).join(", above; ");
    const spoken = data.carriers.map((carrier) => `${carrier.label}: ` + carrier.stretches.map((s) => `${s.start.toFixed(2)} to ${s.end.toFixed(2)} s ${s.uplink || "nobody"}`).join(", ")).join("; ");
    add({ title: `carried by (${names})`, unit: "", summary: `Carrier. ${spoken}`, x: [0, data.duration], series: [] }, 14 + 22 * data.carriers.length, { draw: [bands], bare: true, y: { range: [0, 1] }, times: false });
  }
  data.panels.forEach((panel, index) => {
    const draw = [(u) => points(u, panel)];
    if (panel.rug) draw.push((u) => rug(u, panel));
    if (panel.name === "rtt") draw.push(marks);
    const y = panel.log ? { distr: 3, log: 10 } : { range: (u, low, high) => [0, panel.top || (high > 0 ? high * (panel.name === "rtt" ? 1.45 : 1.12) : 1)] };
    const named = panel.series.filter((series) => !(series.label in data.uplinks)).map((series) => series.label).join(", ");
    add(panel, (panel.height || 110) + (index === data.panels.length - 1 ? 50 : 0), { draw, y, times: index === data.panels.length - 1, caption: named });
  });

  const fit = () => { for (const { plot } of plots) plot.setSize({ width: place.clientWidth, height: plot.height }); };
  let last = place.clientWidth;
  new ResizeObserver(() => { if (place.clientWidth !== last && place.clientWidth > 100) { last = place.clientWidth; fit(); } }).observe(place);
  window.testbed = { plots: plots.map((each) => each.plot), zoom };
  document.documentElement.dataset.drawn = String(plots.length);
})();
