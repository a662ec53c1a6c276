"use strict";
(() => {
  const all = (query, root = document) => [...root.querySelectorAll(query)];

  // Sorting: a heading names its useful first order in data-sort; cells without a value stay last in both orders.
  const sortBy = (table, column, order) => {
    const body = table.tBodies[0];
    const value = row => row.cells[column].dataset.v ?? row.cells[column].textContent.trim();
    const rows = [...body.rows];
    const numeric = rows.every(row => value(row) === "" || !isNaN(value(row)));
    rows.sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      const gap = numeric ? x - y : x.localeCompare(y, undefined, { numeric: true });
      return order === "descending" ? -gap : gap;
    });
    body.append(...rows);
    all("th[aria-sort]", table).forEach(th => th.removeAttribute("aria-sort"));
    table.tHead.rows[0].cells[column].setAttribute("aria-sort", order);
  };

  all("table.sortable").forEach(table => {
    all("th[data-sort]", table).forEach(th => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...th.childNodes);
      th.append(button);
      button.addEventListener("click", () => {
        const now = th.getAttribute("aria-sort");
        const other = now === "ascending" ? "descending" : "ascending";
        sortBy(table, th.cellIndex, now ? other : th.dataset.sort);
      });
    });
  });

  // Filter: every word must occur in the row; the tick hides what did not finish.
  all("form.filter").forEach(form => {
    const table = document.getElementById(form.dataset.table);
    const [words, good] = [form.querySelector("[type=search]"), form.querySelector("[type=checkbox]")];
    const count = form.querySelector("output");
    const apply = () => {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of table.tBodies[0].rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !wanted.every(word => text.includes(word)) || (good.checked && row.dataset.in !== "1");
        shown += !row.hidden;
      }
      count.textContent = `${shown} of ${table.tBodies[0].rows.length} shown`;
    };
    form.hidden = false;
    form.addEventListener("input", apply);
    form.addEventListener("submit", event => event.preventDefault());
    apply();
  });

  // Rows and points of one candidate light up together; a click on a point goes to its row.
  const mark = (key, on) => all(`[data-c="${key}"]`).forEach(node => node.classList.toggle("lit", on));
  all("[data-c]").forEach(node => {
    const key = node.dataset.c;
    if (!/^c\d+$/.test(key)) return;
    node.addEventListener("mouseenter", () => mark(key, true));
    node.addEventListener("mouseleave", () => mark(key, false));
    if (node.localName !== "g") return;
    node.addEventListener("click", () => {
      const row = document.querySelector(`#all tr[data-c="${key}"]`);
      if (!row) return;
      row.hidden = false;
      row.tabIndex = -1;
      row.focus({ preventScroll: true });
      row.scrollIntoView({ block: "center" });
    });
  });
})();
