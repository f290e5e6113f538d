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

  // A shape as its pixels: offsets from its middle and how much each is covered.
  const stamps = {};
  const stamp = (shape, r) => stamps[shape + r] || (stamps[shape + r] = (() => {
    const reach = Math.ceil(1.6 * r) + 1, size = 2 * reach + 1, tile = document.createElement("canvas");
    tile.width = tile.height = size;
    const pen = tile.getContext("2d", { willReadFrequently: true });
    pen.lineWidth = (shape === "cross" ? 2 : 1) * uPlot.pxRatio;
    pen.beginPath();
    shapes[shape](pen, reach + 0.5, reach + 0.5, r);
    if (filled.has(shape)) pen.fill(); else pen.stroke();
    const seen = pen.getImageData(0, 0, size, size).data, pixels = [];
    for (let i = 0; i < size * size; i++) if (seen[4 * i + 3] > 8) pixels.push([i % size - reach, Math.floor(i / size) - reach, seen[4 * i + 3]]);
    return { reach, pixels };
  })());

  // Thousands of points become one picture: a call of the canvas for each takes ten times as long.
  const points = (u, panel) => {
    const { left, top, width, height } = u.bbox, { min, max } = u.scales.x, { min: low, max: high } = u.scales.y;
    if (!panel.series.some((series) => series.shape) || width < 1 || height < 1) return;
    const r = uPlot.pxRatio * (max - min < data.duration / 8 ? 2.2 : 1.5);
    const scale = panel.log ? Math.log10 : (value) => value;
    const perX = width / (max - min), bottom = scale(low), perY = height / (scale(high) - bottom);
    const sheet = panel.sheet || (panel.sheet = document.createElement("canvas"));
    if (sheet.width !== width || sheet.height !== height) {
      sheet.width = width; sheet.height = height;
      panel.pen = sheet.getContext("2d", { willReadFrequently: true });
      panel.picture = panel.pen.createImageData(width, height);
      panel.pixels = new Uint32Array(panel.picture.data.buffer);
    }
    const pixels = panel.pixels.fill(0);
    panel.series.forEach((series) => {
      if (!series.shape) return;
      const { reach, pixels: covered } = stamp(series.shape, r), { times, values } = series;
      const [red, green, blue] = [1, 3, 5].map((at) => parseInt(series.colour.slice(at, at + 2), 16));
      const offsets = Int32Array.from(covered, ([x, y]) => y * width + x), alphas = Uint8Array.from(covered, (each) => each[2]);
      const paints = Uint32Array.from(alphas, (alpha) => (alpha << 24) | (blue << 16) | (green << 8) | red);
      for (let i = after(times, min); i < times.length && times[i] <= max; i++) {
        const x = Math.round((times[i] - min) * perX), y = Math.round(height - (scale(values[i]) - bottom) * perY);
        if (y < -reach || y > height + reach) continue;
        const middle = y * width + x, edge = x < reach || x >= width - reach || y < reach || y >= height - reach;
        for (let n = 0; n < offsets.length; n++) {
          if (edge) {
            const [right, down] = covered[n];
            if (x + right < 0 || x + right >= width || y + down < 0 || y + down >= height) continue;
          }
          const at = middle + offsets[n];
          if (alphas[n] >= pixels[at] >>> 24) pixels[at] = paints[n];
        }
      }
    });
    panel.pen.putImageData(panel.picture, 0, 0);
    u.ctx.drawImage(sheet, left, top);
  };

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
      const end = at(u, mark.start + Math.max(mark.value, mark.bound));
      if (end < left || from > left + u.bbox.width) return;
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

  const legend = (place, name, width, paint) => {
    const entry = document.createElement("span"), sample = document.createElement("canvas");
    sample.width = width; sample.height = 16; sample.className = "swatch";
    sample.style.width = `${width * 0.6}px`;
    sample.setAttribute("aria-hidden", "true");
    paint(sample.getContext("2d"));
    entry.append(sample, name);
    place.append(entry, " ");
  };
  const drawn = (series) => (pen) => {
    pen.fillStyle = pen.strokeStyle = series.colour;
    pen.lineWidth = 2;
    pen.globalAlpha = series.faint ? 0.6 : 1;
    pen.beginPath();
    if (series.shape) shapes[series.shape](pen, 12, 8, 5);
    else { pen.setLineDash(series.dash || []); pen.moveTo(0, 8); pen.lineTo(24, 8); }
    if (filled.has(series.shape)) pen.fill(); else pen.stroke();
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
    caption.append(name, " ");
    for (const series of more.named || []) legend(caption, series.label, 24, drawn(series));
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
  const after = (times, t) => {
    let low = 0, high = times.length;
    while (low < high) { const middle = (low + high) >> 1; if (times[middle] < t) low = middle + 1; else high = middle; }
    return low;
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
  for (const [name, look] of Object.entries(data.uplinks)) {
    legend(looks, name, 44, (pen) => {
      pen.fillStyle = pen.strokeStyle = look.colour;
      pen.lineWidth = 2;
      pen.fillRect(0, 0, 12, 16);
      pen.beginPath(); shapes[look.shape](pen, 20, 8, 4); if (filled.has(look.shape)) pen.fill(); else pen.stroke();
      pen.setLineDash(look.dash); pen.beginPath(); pen.moveTo(27, 8); pen.lineTo(44, 8); pen.stroke();
    });
  }
  legend(looks, "event", 44, (pen) => { pen.fillStyle = "#d5d5d5"; pen.fillRect(0, 0, 44, 16); });
  legend(looks, "lost", 44, (pen) => { pen.fillStyle = "#d55e00"; for (const x of [4, 8, 18, 30]) pen.fillRect(x, 2, 2, 14); });

  if (data.carriers.length) {
    const names = data.carriers.map((carrier) => carrier.label).join(", above; ");
    const spoken = data.carriers.map((carrier) => `${carrier.label}: ` + carrier.stretches.map((s) => `${s.start.toFixed(2)} to ${s.end.toFixed(2)} s ${s.uplink || "nobody"}`).join(", ")).join("; ");
    add({ title: `carried by (${names})`, unit: "", summary: `Carrier. ${spoken}`, x: [0, data.duration], series: [] }, 14 + 22 * data.carriers.length, { draw: [bands], bare: true, y: { range: [0, 1] }, times: false });
  }
  data.panels.forEach((panel, index) => {
    for (const series of panel.series) {
      if (!series.shape) continue;
      const there = panel.x.map((_, i) => i).filter((i) => series.data[i] !== null);
      series.times = Float64Array.from(there, (i) => panel.x[i]);
      series.values = Float64Array.from(there, (i) => series.data[i]);
    }
    const draw = [(u) => points(u, panel)];
    if (panel.rug) draw.push((u) => rug(u, panel));
    if (panel.name === "rtt") draw.push(marks);
    const y = panel.log ? { distr: 3, log: 10 } : { range: (u, low, high) => [0, panel.top || (high > 0 ? high * (panel.name === "rtt" ? 1.45 : 1.12) : 1)] };
    // What the legend above has by the uplink's name is not told again.
    const named = panel.series.filter((series) => !(series.label.replace(/^over /, "") in data.uplinks));
    add(panel, (panel.height || 110) + (index === data.panels.length - 1 ? 50 : 0), { draw, y, times: index === data.panels.length - 1, named });
  });

  const fit = () => { for (const { plot } of plots) plot.setSize({ width: place.clientWidth, height: plot.height }); };
  let last = place.clientWidth;
  new ResizeObserver(() => { if (place.clientWidth !== last && place.clientWidth > 100) { last = place.clientWidth; fit(); } }).observe(place);
  window.testbed = { plots: plots.map((each) => each.plot), zoom };
  document.documentElement.dataset.drawn = String(plots.length);
})();
