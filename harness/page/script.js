"use strict";
(() => {
  const all = (query, root = document) => [...root.querySelectorAll(query)];
  const text = cell => cell.textContent.trim().replace(/^▶ /, "");
  // What a cell is sorted by and written as: the exact number where it has one, nothing where a value is missing.
  const value = cell => cell.dataset.v ?? (text(cell) === "–" ? "" : text(cell));

  // Sorting: a heading names its useful first order in data-sort; cells without a value stay last in both orders.
  const sortBy = (table, column, order) => {
    const body = table.tBodies[0];
    const rows = [...body.rows].map(row => [value(row.cells[column]), row]);
    const numeric = rows.every(([v]) => v === "" || !isNaN(v));
    const collator = new Intl.Collator(undefined, { numeric: true });
    const sign = order === "descending" ? -1 : 1;
    rows.sort(([x], [y]) => {
      if (x === "" || y === "") return (x === "") - (y === "");
      return sign * (numeric ? x - y : collator.compare(x, y));
    });
    body.append(...rows.map(([, row]) => row));
    rows.forEach(([, row]) => row.classList.toggle("again", !!row.dataset.c && row.previousElementSibling?.dataset.c === row.dataset.c));
    all("th[aria-sort]", table).forEach(th => th.removeAttribute("aria-sort"));
    table.tHead.rows[0].cells[column].setAttribute("aria-sort", order);
  };

  all("table.sortable").forEach(table => all("th[data-sort]", table).forEach(th => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...th.childNodes);
    th.append(button);
    button.addEventListener("click", () => {
      const now = th.getAttribute("aria-sort");
      sortBy(table, th.cellIndex, !now ? th.dataset.sort : now === "ascending" ? "descending" : "ascending");
    });
  }));

  // Columns: the style sheet shows the first ones; what a reader ticks overrules it.
  const chooser = (table, box) => {
    const sheet = document.head.appendChild(document.createElement("style"));
    const heads = [...table.tHead.rows[0].cells];
    const ticks = heads.map((th, at) => {
      const [label, tick] = [document.createElement("label"), document.createElement("input")];
      tick.type = "checkbox";
      tick.checked = getComputedStyle(th).display !== "none";
      label.append(tick, ` ${text(th)}`);
      if (at) box.append(label);
      return tick;
    });
    const rule = (tick, at) => `#${table.id} tr > :nth-child(${at + 1}) { display: ${tick.checked ? "table-cell" : "none"} }`;
    box.addEventListener("change", () => { sheet.textContent = ticks.map(rule).join("\n"); });
  };

  // CSV of what is shown (RFC 4180). A text that a spreadsheet would compute gets a '; a number stays a number.
  const field = cell => {
    const shown = value(cell);
    const safe = shown === "" || !isNaN(shown) || !/^[=+\-@\t\r\n]/.test(shown) ? shown : `'${shown}`;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const download = table => {
    const shown = [...table.rows].filter(row => !row.hidden);
    const cells = row => [...row.cells].filter(cell => getComputedStyle(cell).display !== "none");
    const lines = shown.map(row => cells(row).map(field).join(","));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines.join("\r\n"), "\r\n"], { type: "text/csv" }));
    link.download = "configurations.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };

  // Filter: every word must occur in the row; the tick hides what did not finish or meets not every limit.
  all("form.filter").forEach(form => {
    const table = document.getElementById(form.dataset.table);
    const [words, good] = [form.querySelector("[type=search]"), form.querySelector("[type=checkbox]")];
    const apply = () => {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      const rows = [...table.tBodies[0].rows];
      rows.forEach(row => {
        const held = row.textContent.toLowerCase();
        row.hidden = !wanted.every(word => held.includes(word)) || (good.checked && row.dataset.in !== "1");
      });
      form.querySelector("output").textContent = `${rows.filter(row => !row.hidden).length} of ${rows.length} shown`;
    };
    form.hidden = false;
    if (form.querySelector("fieldset")) chooser(table, form.querySelector("fieldset"));
    form.querySelector("button")?.addEventListener("click", () => download(table));
    [words, good].forEach(input => input.addEventListener("input", apply));
    form.addEventListener("submit", event => event.preventDefault());
    apply();
  });

  // Boxes that scroll fade at the edge beyond which there is more.
  all(".scroll").forEach(box => {
    const fade = () => {
      box.classList.toggle("on-right", box.scrollWidth - box.clientWidth - box.scrollLeft > 2);
      box.classList.toggle("on-below", box.scrollHeight - box.clientHeight - box.scrollTop > 2);
    };
    box.addEventListener("scroll", fade, { passive: true });
    new ResizeObserver(fade).observe(box);
    if (box.firstElementChild) new ResizeObserver(fade).observe(box.firstElementChild);
  });

  // Rows and points of one candidate light up together; a click pins that, and on a point leads to its row.
  const places = new Map();
  all("[data-c]").forEach(node => places.set(node.dataset.c, [...(places.get(node.dataset.c) ?? []), node]));
  const linked = event => event.target.closest?.("[data-c]");
  const light = (name, on) => event => places.get(linked(event)?.dataset.c)?.forEach(node => node.classList.toggle(name, on));
  document.addEventListener("mouseover", light("lit", true));
  document.addEventListener("mouseout", light("lit", false));
  document.addEventListener("click", event => {
    if (event.target.closest("a, button")) return;
    light("pinned")(event);
    const row = linked(event)?.localName === "g" && places.get(linked(event).dataset.c).find(node => node.closest("#all"));
    if (!row) return;
    row.hidden = false;
    row.tabIndex = -1;
    row.focus({ preventScroll: true });
    row.scrollIntoView({ block: "center" });
  });
})();
