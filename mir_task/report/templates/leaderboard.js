// The leaderboard searches, filters, sorts, and folds what is beyond the first rows.
const FOLD = 50;
const board = document.getElementById("leaderboard");

// Missing numbers come last, whichever way a column is sorted.
const compared = (sign) => (a, b) => {
  if (a === "" || b === "") return (a === "") - (b === "");
  return sign * (a - b);
};
DataTable.type("number-or-missing", { order: { pre: (value) => (value === "" ? "" : Number(value)), asc: compared(1), desc: compared(-1) } });

if (board) {
  const heads = [...board.tHead.rows[0].cells];
  const rows = [...board.tBodies[0].rows];
  const groups = document.getElementById("group");
  const fold = document.getElementById("fold");
  const table = new DataTable(board, {
    autoWidth: false,
    order: [],
    pageLength: FOLD,
    layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null },
    language: { zeroRecords: "No model has such a name" },
    columnDefs: heads.map((head, target) => ({ targets: target, type: head.classList.contains("num") ? "number-or-missing" : "string" })),
  });
  const tools = document.getElementById("tools");
  tools.hidden = false;
  document.getElementById("search").addEventListener("input", ({ target }) => table.search(target.value).draw());
  groups?.addEventListener("change", () => {
    table.search.fixed("group", (text, data, index) => groups.value === "" || rows[index].dataset.group === groups.value).draw();
  });
  const count = document.getElementById("count");
  const tell = () => {
    const { start, end, recordsDisplay } = table.page.info();
    count.textContent = `${end - start} of ${recordsDisplay} models${recordsDisplay < rows.length ? " found" : ""}`;
    fold.hidden = recordsDisplay <= FOLD;
  };
  table.on("draw", tell);
  tell();
  fold.addEventListener("click", () => {
    const open = fold.getAttribute("aria-expanded") === "true";
    fold.setAttribute("aria-expanded", String(!open));
    fold.textContent = open ? "Show all" : `Show the first ${FOLD}`;
    table.page.len(open ? FOLD : -1).draw();
  });
  board.tBodies[0].addEventListener("mouseover", ({ target }) => {
    const row = target.closest("tr[data-model]");
    highlight.light(row ? Number(row.dataset.model) : null);
  });
  board.addEventListener("mouseleave", () => highlight.light(null));
  highlight.listeners.push((model) => {
    for (const row of rows) row.classList.toggle("lit", model !== null && Number(row.dataset.model) === model);
  });
  addEventListener("beforeprint", () => table.page.len(-1).draw());
  addEventListener("afterprint", () => table.page.len(fold.getAttribute("aria-expanded") === "true" ? -1 : FOLD).draw());
}
