// The table of places: its filter, its order, and its rows in blocks. The browser lays out a block
// only when it comes into view, so a table of thousands of rows scrolls as fluently as a short one.

const BLOCK = 50;
const AT_ONCE = 4; // Blocks that are made before the page is shown again.

const table = {
    words: "",
    states: new Set(),
    picked: null, // The places of a box of the picture: { title, numbers }.
    sort: { column: null, down: false },
    opened: new Set(), // Names of places whose copies are shown.
    detailed: new Set(), // Numbers of places whose details are shown.
    rows: [],
    render: 0,
    element: null,
};

function matching() {
    const words = table.words.toLowerCase().split(/\s+/).filter(Boolean);
    return PLACES.filter(
        (place) =>
            (!table.states.size || table.states.has(place.state)) &&
            (!table.picked || table.picked.numbers.has(place.number)) &&
            words.every((word) => place.search.includes(word)),
    );
}

// Show what the filter and the order say.
function refresh() {
    const places = matching();
    table.rows = sorted(rowsOf(places), table.sort);
    table.status.textContent =
        places.length === PLACES.length
            ? count(PLACES.length, "place")
            : `${format(places.length)} of ${count(PLACES.length, "place")}`;
    table.chips.forEach((chip, state) =>
        chip.setAttribute("aria-pressed", table.states.has(state)),
    );
    const any = table.words || table.states.size || table.picked;
    table.clear.hidden = !any;
    table.pick.hidden = !table.picked;
    table.pick.textContent = table.picked ? `Only ${table.picked.title} ✕` : "";
    for (const [id, head] of table.heads) {
        const by = table.sort.column === id;
        head.setAttribute(
            "aria-sort",
            by ? (table.sort.down ? "descending" : "ascending") : "none",
        );
    }
    fill();
}

// Replace the rows. The first blocks are shown at once, and the rest while the page is used.
function fill() {
    const blocks = blocksOf(table.rows);
    while (table.element.tBodies.length) table.element.tBodies[0].remove();
    if (!blocks.length) {
        const none = h("td", { role: "cell" }, "No place matches the filter.");
        table.element.append(
            h("tbody", { role: "rowgroup" }, h("tr", { role: "row", class: "none" }, none)),
        );
    }
    table.render += 1;
    const render = table.render;
    const step = () => {
        if (render !== table.render) return;
        table.element.append(...blocks.splice(0, AT_ONCE).map(blockElement));
        if (blocks.length) later(step);
        else table.element.removeAttribute("aria-busy");
    };
    table.element.setAttribute("aria-busy", "true");
    step();
}

// The rows in blocks. A row that stands for copies is a block of its own, followed by their blocks.
function blocksOf(rows) {
    const blocks = [];
    let block = [];
    for (const row of rows) {
        if (row.group || block.length === BLOCK) {
            blocks.push(block);
            block = [];
        }
        if (row.group) {
            blocks.push([row]);
            if (table.opened.has(row.name)) blocks.push(...copyBlocks(row));
        } else block.push(row);
    }
    return [...blocks, block].filter((each) => each.length);
}

function copyBlocks(group) {
    const blocks = blocksOf(sorted(group.copies, table.sort));
    for (const block of blocks) block.copiesOf = group;
    return blocks;
}

function blockElement(rows) {
    const body = h("tbody", { role: "rowgroup" });
    body.copiesOf = rows.copiesOf;
    body.style.containIntrinsicBlockSize = `auto ${rows.length * 34}px`;
    for (const row of rows) {
        const detailed = !row.group && table.detailed.has(row.number);
        const element = rowElement(row, row.group ? table.opened.has(row.name) : detailed);
        element.row = row;
        body.append(element);
        if (detailed) body.append(detailRow(row));
    }
    return body;
}

function detailRow(place) {
    return h(
        "tr",
        { role: "row", class: "detail" },
        h("td", { role: "cell", "aria-colspan": "6" }, details(place)),
    );
}

function toggle(element) {
    const row = element.row;
    const shown = row.group ? table.opened : table.detailed;
    const key = row.group ? row.name : row.number;
    const open = !shown.delete(key);
    if (open) shown.add(key);
    element.querySelector("button").setAttribute("aria-expanded", String(open));
    if (!row.group) {
        if (open) element.after(detailRow(row));
        else element.nextElementSibling.remove();
        return;
    }
    const body = element.parentNode;
    if (open) body.after(...copyBlocks(row).map(blockElement));
    else
        while (body.nextElementSibling && body.nextElementSibling.copiesOf === row)
            body.nextElementSibling.remove();
}

// Show one place with its details, whatever the filter was.
function showPlace(name) {
    const place = PLACES.find((each) => each.name === name);
    if (!place) return;
    table.detailed.add(place.number);
    pick(place.name, [place.number]);
}

// Show only some places, and go to the table.
function pick(title, numbers) {
    table.picked = { title, numbers: new Set(numbers) };
    table.words = table.input.value = "";
    table.states.clear();
    if (new Set(numbers).size <= 3 * BLOCK) table.opened.add(PLACES[numbers[0]].template);
    refresh();
    goTo("places");
}

function goTo(id) {
    const title = document.getElementById(`${id}-title`);
    title.scrollIntoView({ block: "start" });
    title.focus({ preventScroll: true });
}

function placesSection() {
    table.input = h("input", {
        type: "search",
        id: "filter",
        placeholder: "Name, event or failure",
        autocomplete: "off",
        spellcheck: "false",
    });
    let waiting = 0;
    table.input.addEventListener("input", () => {
        clearTimeout(waiting);
        waiting = setTimeout(() => {
            table.words = table.input.value;
            refresh();
        }, 80);
    });
    table.status = h("p", { class: "status", role: "status" });
    table.chips = new Map();
    for (const state of STATES) {
        const number = PLACES.filter((place) => place.state === state).length;
        if (!number) continue;
        const chip = button(
            "",
            () => {
                if (!table.states.delete(state)) table.states.add(state);
                refresh();
            },
            { class: "chip", "aria-pressed": "false" },
        );
        chip.append(badge(state, `${format(number)} ${state}`));
        table.chips.set(state, chip);
    }
    table.pick = button(
        "",
        () => {
            table.picked = null;
            refresh();
        },
        { class: "pick", hidden: true },
    );
    table.clear = button(
        "Show all",
        () => {
            table.words = table.input.value = "";
            table.states.clear();
            table.picked = null;
            refresh();
            table.input.focus();
        },
        { class: "link", hidden: true },
    );
    table.heads = new Map();
    const heads = COLUMNS.map((column) => {
        const head = h(
            "th",
            {
                role: "columnheader",
                scope: "col",
                class: column.number ? "number" : "",
                "aria-sort": "none",
            },
            button(column.title, () => sortBy(column.id), { class: "sort" }),
        );
        table.heads.set(column.id, head);
        return head;
    });
    table.element = h(
        "table",
        { role: "table", class: "places", "aria-labelledby": "places-title" },
        h(
            "thead",
            { role: "rowgroup" },
            h(
                "tr",
                { role: "row" },
                heads,
                h(
                    "th",
                    { role: "columnheader", scope: "col", class: "time" },
                    unseen("Timeline"),
                    axis(),
                ),
            ),
        ),
    );
    table.element.addEventListener("click", (event) => {
        const opener = event.target.closest("button.open");
        if (opener) toggle(opener.closest("tr"));
    });
    const found = section(
        "places",
        "Places",
        h(
            "div",
            { class: "tools" },
            h("div", { class: "search" }, h("label", { for: "filter" }, "Filter"), table.input),
            h(
                "div",
                { class: "chips", role: "group", "aria-label": "Only places in these states" },
                [...table.chips.values()],
            ),
            table.pick,
            table.clear,
            table.status,
        ),
        table.element,
    );
    refresh();
    return found;
}

function sortBy(column) {
    const { sort } = table;
    if (sort.column !== column) table.sort = { column, down: false };
    else if (!sort.down) table.sort = { column, down: true };
    else table.sort = { column: null, down: false };
    refresh();
    if (table.element.getBoundingClientRect().top < 0) table.element.scrollIntoView();
}

// The marks of time above the bars: at most six, at round times.
function axis() {
    const nice = [
        1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5,
        18e5, 36e5, 72e5, 144e5, 216e5, 432e5, 864e5,
    ];
    const step = nice.find((each) => LENGTH / each <= 6) || LENGTH / 6;
    table.step = (100 * step) / LENGTH;
    const marks = [];
    for (let at = 0; at <= LENGTH; at += step) {
        const mark = h("span", { class: "tick" }, at ? axisTime(at) : "0");
        mark.style.left = `${(100 * at) / LENGTH}%`;
        if (at / LENGTH < 0.95) marks.push(mark);
    }
    return h("div", { class: "axis", "aria-hidden": "true" }, marks);
}

function axisTime(time) {
    if (time < 1e3) return `${Math.round(time)}ms`;
    if (time < 6e4) return `${time / 1e3}s`;
    if (time < 36e5) return `${Math.round(time / 6e3) / 10}m`;
    return `${Math.round(time / 36e4) / 10}h`;
}
