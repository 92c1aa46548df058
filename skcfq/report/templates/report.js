"use strict";
// Sorts and filters the table of people. Without it, the table is complete and in its first order.
(() => {
  const table = document.getElementById("people-table");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const heads = Array.from(table.tHead.rows[0].cells);
  const count = document.getElementById("people-count");
  const search = document.getElementById("people-search");
  const selects = [
    ["outcome", document.getElementById("people-outcome")],
    ["group", document.getElementById("people-group")],
  ].filter(([, select]) => select);
  const words = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const collator = new Intl.Collator("en", { numeric: true });

  function filter() {
    const asked = search.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const fits = words.get(row).includes(asked) &&
        selects.every(([name, select]) => !select.value || row.dataset[name] === select.value);
      row.hidden = !fits;
      shown += fits;
    }
    count.textContent = `${shown} of ${rows.length} people shown.`;
  }

  function sort(column) {
    const head = heads[column];
    const descending = head.getAttribute("aria-sort") === "ascending";
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const sign = descending ? -1 : 1;
    const numeric = rows.some((row) => row.cells[column].hasAttribute("data-value"));
    // Who has no number comes last, whichever way.
    const number = (row) => parseFloat(row.cells[column].dataset.value ?? "NaN");
    const compare = numeric
      ? (a, b) => {
          const x = number(a), y = number(b);
          if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
          return sign * (x - y);
        }
      : (a, b) => sign * collator.compare(a.cells[column].textContent, b.cells[column].textContent);
    rows.sort(compare);
    body.append(...rows);
  }

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(column));
    head.append(button);
  });
  search.addEventListener("input", filter);
  for (const [, select] of selects) select.addEventListener("change", filter);
  document.getElementById("people-filters").hidden = false;
  filter();
})();
