"use strict";
(() => {
  const box = document.getElementById("search");
  if (!box) return;
  const found = document.getElementById("found");
  const logs = [...document.querySelectorAll("details.log")].map((at) => {
    const pre = at.querySelector("pre");
    return { at, pre, text: pre.textContent };
  });
  let waiting = 0;

  const search = () => {
    const wanted = box.value.toLowerCase();
    let lines = 0, files = 0;
    for (const log of logs) {
      const hits = wanted.length > 1 ? log.text.split("\n").filter((line) => line.toLowerCase().includes(wanted)) : null;
      log.at.hidden = hits !== null && !hits.length;
      log.at.open = hits !== null && hits.length > 0;
      log.pre.textContent = "";
      if (hits === null) { log.pre.textContent = log.text; continue; }
      files += hits.length > 0;
      lines += hits.length;
      for (const line of hits.slice(0, 500)) {
        let rest = line;
        for (let at; (at = rest.toLowerCase().indexOf(wanted)) >= 0; rest = rest.slice(at + wanted.length)) {
          const mark = document.createElement("mark");
          mark.textContent = rest.slice(at, at + wanted.length);
          log.pre.append(rest.slice(0, at), mark);
        }
        log.pre.append(rest + "\n");
      }
    }
    found.textContent = wanted.length > 1 ? `${lines} lines in ${files} logs` : "";
  };
  box.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(search, 150); });
})();
