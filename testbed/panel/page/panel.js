"use strict";
// Draws what /api/stream tells, ten times a second, and asks for what its buttons say. Times are ns since the lab's start.
const SHOWN_S = 60, POINTS = SHOWN_S * 10, S = 1e9;
const at = id => document.getElementById(id);
const links = new Map();
const started = Date.now();

function seconds(s) {
  if (s < 0) return "–";
  const h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60, rest = Math.floor(s % 60);
  return h ? `${h} h ${m} min` : m ? `${m} min ${rest} s` : `${rest} s`;
}

function quantity(value, unit) {
  const scale = [[1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]].find(([size]) => value >= size) || [1, ""];
  return `${+(value / scale[0]).toPrecision(3)} ${scale[1]}${unit}`;
}

function say(text, error) {
  at("word").textContent = text;
  at("word").classList.toggle("error", Boolean(error));
}

async function ask(path, body) {
  const options = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, options);
  const told = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(told.error || told.detail && told.detail[0].msg || answer.statusText), { status: answer.status });
  return told;
}

async function touch(link, what, body) {
  try {
    say((await ask(`/api/links/${encodeURIComponent(link)}/${what}`, body)).did);
    await look();
  } catch (error) {
    say(error.message, true);
  }
}

function list(place, texts, none) {
  place.replaceChildren(...(texts.length || !none ? texts : [none]).map(text => Object.assign(document.createElement("li"), { textContent: text })));
}

function asking(form, act) {
  at(form).addEventListener("submit", async event => {
    event.preventDefault();
    const button = event.target.querySelector("button");
    button.disabled = true;
    try {
      await act(event.target.elements);
    } catch (error) {
      say(error.message, true);
    }
    button.disabled = false;
  });
}

const SIGNS = { holds: "✔", broken: "✘", unclear: "?", invalid: "!" };
asking("check", async ({ last }) => {
  const found = await ask("/api/check", { last: last.value });
  const [from, to] = found.window_ns.map(t_ns => (t_ns / S).toFixed(1));
  at("asked").replaceChildren(...found.objectives.map(one => {
    const row = document.createElement("li"), word = document.createElement("b");
    word.textContent = `${SIGNS[one.word]} ${one.word}`;
    row.className = one.word;
    row.append(word, ` ${one.title}: ${one.value}${one.reason ? ` (${one.reason})` : ""}`);
    return row;
  }));
  at("checked").textContent = `from ${from} s to ${to} s of its time; kept in ${found.folder}`;
});
asking("play", async ({ text }) => {
  const { events, until_ns } = await ask("/api/play", { text: text.value });
  list(at("planned"), events.map(one => `at ${(one.at_ns / S).toFixed(1)} s: ${one.what}`));
  say(`${events.length} to be played, until ${(until_ns / S).toFixed(1)} s`);
  await look();
});
asking("save", async () => {
  const { file, text, notes } = await ask("/api/save", {});
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/yaml" }));
  link.download = file;
  link.click();
  URL.revokeObjectURL(link.href);
  list(at("notes"), notes.map(note => `note: ${note}`));
  say(`${file}: 'testbed run ${file} --dry-run' shows it`);
});

let asked = "", until_ns = 0;
async function look() {
  const state = await ask("/api/state");
  until_ns = state.until_ns;
  document.body.classList.toggle("judged", !state.hands);
  at("what").textContent = state.hands ? "testbed lab" : "testbed run, to be judged: it can be looked at, and not be touched";
  if (asked !== String(state.objectives)) list(at("asked"), state.objectives, "none: it was made of a topology");
  asked = String(state.objectives);
  list(at("deeds"), state.by_hand, "nothing so far");
  return state;
}

function chart(place, label) {
  const series = [{}, { label: "down", stroke: "#0072b2", width: 1.5 }, { label: "up", stroke: "#a85f00", width: 1.5, dash: [5, 3] }];
  const axis = { size: 46, font: "11px system-ui", ticks: { size: 4 } };
  const options = { width: 480, height: 150, series, legend: { live: false }, cursor: { show: false }, axes: [{ ...axis, size: 28, values: (_, v) => v.map(s => `${s} s`) }, axis],
    scales: { x: { time: false }, y: { range: (_, _low, high) => [0, high > 0 ? high * 1.1 : 1] } } };
  const plot = new uPlot(options, [[], [], []], place);
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", label);
  new ResizeObserver(([entry]) => plot.setSize({ width: Math.max(200, entry.contentRect.width), height: 150 })).observe(place);
  return plot;
}

function card(name) {
  const made = at("card").content.cloneNode(true), article = made.querySelector("article"), form = made.querySelector("form");
  article.querySelector("h3").textContent = name;
  article.dataset.link = name;
  const direction = () => form.elements.direction.value;
  form.addEventListener("submit", event => {
    event.preventDefault();
    touch(name, "set", { values: form.elements.values.value, direction: direction() });
  });
  for (const button of form.querySelectorAll("[data-outage]")) button.addEventListener("click", () => touch(name, "outage", { duration: button.dataset.outage, direction: direction() }));
  for (const button of form.querySelectorAll("[data-set]")) button.addEventListener("click", () => touch(name, "set", { values: button.dataset.set, direction: direction() }));
  at("cards").append(made);
  const found = { article, does: article.querySelector(".does"), last: null, rows: [[], [], [], [], []] };
  found.rate = chart(article.querySelector(".rate"), `${name}: carried, Mbit/s, down and up`);
  found.lost = chart(article.querySelector(".lost"), `${name}: not carried, packets a second, down and up`);
  links.set(name, found);
  return found;
}

function does(way) {
  const words = [];
  if (way.state !== "up") words.push(way.state);
  words.push(`${+(way.delay_ns / 1e6).toPrecision(4)} ms`, way.rate_bps ? quantity(way.rate_bps, "bit/s") : "unlimited");
  if (way.loss) words.push(`loss ${+(way.loss * 100).toPrecision(3)} %`);
  if (way.by_hand) words.push("by hand");
  return words.join(", ");
}

function show(sample) {
  const t = sample.t_ns / S;
  at("age").textContent = seconds(t);
  at("left").textContent = until_ns ? seconds(until_ns / S - Date.now() / 1000) : "–";
  at("carrier").textContent = sample.carrier || "nobody";
  for (const [name, now] of Object.entries(sample.links)) {
    const link = links.get(name) || card(name), last = link.last;
    link.last = { t, ...now };
    link.does.textContent = `down ${does(now.down)} · up ${does(now.up)}`;
    const state = now.up.state === "up" ? now.down.state : now.up.state;
    link.article.className = `link ${state}`;
    if (!last || t <= last.t) continue;
    const span = t - last.t, gained = (way, keys) => keys.reduce((sum, key) => sum + now[way][key] - last[way][key], 0) / span;
    const lost = ["lost", "cut", "queue_drops"];
    const row = [+t.toFixed(1), gained("down", ["bytes_out"]) * 8 / 1e6, gained("up", ["bytes_out"]) * 8 / 1e6, gained("down", lost), gained("up", lost)];
    link.rows.forEach((column, n) => { column.push(row[n]); if (column.length > POINTS) column.shift(); });
    const [x, down, up, lostDown, lostUp] = link.rows;
    link.rate.setData([x, down, up]);
    link.lost.setData([x, lostDown, lostUp]);
  }
  at("streams").replaceChildren(...Object.entries(sample.traffic).map(([name, words]) => {
    const row = document.createElement("tr"), head = Object.assign(document.createElement("th"), { textContent: name, scope: "row" });
    row.append(head, Object.assign(document.createElement("td"), { textContent: words }));
    return row;
  }));
}

// A run is not there to be followed before it begins; what breaks off later an EventSource takes up again by itself.
async function follow() {
  try {
    await look();
  } catch (error) {
    if (error.status === 410) return over();
    say(error.message, true);
    setTimeout(follow, 2000);
    return;
  }
  const stream = new EventSource("/api/stream");
  stream.onopen = () => say("live: ten samples a second");
  stream.onmessage = event => show(JSON.parse(event.data));
  stream.onerror = () => {
    say("no connection; trying again", true);
    if (stream.readyState === EventSource.CLOSED) setTimeout(follow, 2000);
  };
  stream.addEventListener("end", () => {
    stream.close();
    over();
  });
}

function over() {
  document.querySelector("header").classList.add("over");
  say("the lab has ended", true);
}

setInterval(() => links.size && look().catch(() => {}), 5000);
follow();
