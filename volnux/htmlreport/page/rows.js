// The rows of the table: which there are, in which order, and what each shows.

const MOST_MARKS = 200; // Failed copies that are marked on the bar of all copies.
const MANY = 10; // More copies of a place than this share one row that can be opened.
const LENGTH = Math.max(
    RUN.took || 0,
    PLACES.reduce((latest, place) => Math.max(latest, place.end || 0), 0),
    0.001,
);

PLACES.forEach((place, number) => {
    place.number = number;
    place.template = place.name.split("[", 1)[0];
    place.search = [
        place.name,
        place.event,
        place.failure === undefined ? "" : failureText(RUN.failures[place.failure]),
    ]
        .join(" ")
        .toLowerCase();
});

const COLUMNS = [
    { id: "place", title: "Place", key: (row) => row.name.toLowerCase() },
    { id: "state", title: "State", key: (row) => STATES.indexOf(row.state) },
    { id: "attempts", title: "Attempts", key: (row) => -(row.attempts || 0), number: true },
    {
        id: "start",
        title: "Start",
        key: (row) => (row.start === undefined ? Infinity : row.start),
        number: true,
    },
    {
        id: "time",
        title: "Time",
        key: (row) => -(took(row) === undefined ? -1 : took(row)),
        number: true,
    },
];

const TEMPLATES = new Map();
for (const place of PLACES) {
    if (!TEMPLATES.has(place.template)) TEMPLATES.set(place.template, []);
    TEMPLATES.get(place.template).push(place);
}

// A row that stands for the copies of a place.
function groupOf(template, copies, whole) {
    const starts = copies.map((copy) => copy.start).filter((time) => time !== undefined);
    const ends = copies.map((copy) => copy.end).filter((time) => time !== undefined);
    return {
        group: true,
        name: template,
        copies,
        whole,
        number: copies[0].number,
        state: STATES.find((state) => copies.some((copy) => copy.state === state)),
        attempts: copies.reduce((sum, copy) => sum + (copy.attempts || 0), 0),
        start: starts.length ? starts.reduce((a, b) => Math.min(a, b)) : undefined,
        end: ends.length ? ends.reduce((a, b) => Math.max(a, b)) : undefined,
    };
}

// The rows for some places: many copies of one place share a row.
function rowsOf(places) {
    const found = [];
    const groups = new Map();
    for (const place of places) {
        const whole = TEMPLATES.get(place.template).length;
        if (whole <= MANY || place.name === place.template) {
            found.push(place);
            continue;
        }
        if (!groups.has(place.template)) {
            groups.set(place.template, []);
            found.push(place.template);
        }
        groups.get(place.template).push(place);
    }
    return found.map((each) =>
        typeof each === "string"
            ? groupOf(each, groups.get(each), TEMPLATES.get(each).length)
            : each,
    );
}

function sorted(rows, sort) {
    if (!sort.column) return rows;
    const key = COLUMNS.find((column) => column.id === sort.column).key;
    const keyed = rows.map((row) => [key(row), row]);
    const sign = sort.down ? -1 : 1;
    keyed.sort(([a, x], [b, y]) => (a < b ? -sign : a > b ? sign : x.number - y.number));
    return keyed.map(([, row]) => row);
}

// A row is a copy of this one, which takes a third of the time of making its elements one by one.
const ROW = h(
    "tr",
    { role: "row" },
    h("th", { role: "rowheader", scope: "row" }, h("button", { type: "button", class: "open" })),
    h("td", { role: "cell" }),
    h("td", { role: "cell", class: "number" }),
    h("td", { role: "cell", class: "number" }),
    h("td", { role: "cell", class: "number" }),
    h("td", { role: "cell", class: "time" }),
);
const BADGES = Object.fromEntries(STATES.map((state) => [state, badge(state)]));
const BAR = h("span", {});

// One row of the table. Its button opens the details, or the copies.
function rowElement(row, open) {
    const element = ROW.cloneNode(true);
    const [name, state, attempts, start, time, timeline] = element.children;
    const opener = name.firstChild;
    opener.setAttribute("aria-expanded", String(open));
    opener.textContent = row.name;
    if (row.group) {
        element.className = "group";
        const copies = count(row.whole, "copy", "copies");
        const shown =
            row.copies.length === row.whole ? copies : `${format(row.copies.length)} of ${copies}`;
        opener.append(h("span", { class: "copies" }, shown));
        state.append(...stateCounts(row.copies));
    } else {
        if (row.template !== row.name) element.className = "copy";
        state.append(BADGES[row.state].cloneNode(true), ...notes(row));
    }
    attempts.textContent = row.attempts ? format(row.attempts) : "–";
    start.textContent = row.start === undefined ? "–" : `+${duration(row.start)}`;
    time.textContent = duration(took(row));
    timeline.append(...bars(row));
    return element;
}

function notes(row) {
    const words = ["bypassed", "reused"].filter((word) => row[word]);
    if (row.handled) words.push("failure handled");
    if (row.state === "failed" && !row.attempts && row.failure === undefined)
        words.unshift("did not run");
    if (row.descriptor > 1) words.push(`→ ${row.descriptor}`);
    return words.map((word) => h("span", { class: "tag" }, word));
}

function stateCounts(places) {
    return STATES.filter((state) => places.some((place) => place.state === state)).map((state) => {
        const number = places.filter((place) => place.state === state).length;
        return badge(state, `${format(number)} ${state}`);
    });
}

// The time of a place as a bar. The time between two attempts is a thin line.
function bars(row) {
    const tries = row.tries || [];
    if (row.start === undefined || row.end === undefined) return [];
    if (row.group) return [bar("bar many", row.start, row.end), ...failuresIn(row.copies)];
    const parts = tries.length > 1 ? tries : [[row.start, row.end, null]];
    const found = [];
    parts.forEach(([start, end, failure], number) => {
        const next = parts[number + 1];
        const stop = end === null ? (next ? next[0] : row.end) : end;
        found.push(bar(`bar ${next || failure ? "failed" : row.state}`, start, stop));
        if (next) found.push(bar("wait", stop, next[0]));
    });
    if (tries.length > 1) found.push(unseen(`${tries.length} attempts`));
    return found;
}

// When copies failed, on the bar that they share.
function failuresIn(copies) {
    const failed = copies.filter((copy) => copy.state === "failed" && copy.end !== undefined);
    return failed.slice(0, MOST_MARKS).map((copy) => bar("fault", copy.end, copy.end));
}

function bar(kind, start, end) {
    const element = BAR.cloneNode();
    element.className = kind;
    element.style.left = `${(100 * start) / LENGTH}%`;
    element.style.width = `${(100 * Math.max(0, end - start)) / LENGTH}%`;
    return element;
}

// Everything that is known about a place.
function details(place) {
    const facts = h("dl", { class: "facts" });
    const fact = (name, ...value) =>
        facts.append(h("div", {}, h("dt", {}, name), h("dd", {}, ...value)));
    if (place.event !== place.name) fact("Event", place.event);
    if (place.descriptor !== undefined) fact("Descriptor", place.descriptor);
    if (!place.attempts) fact("Ran", whyNot(place));
    if (place.polls) fact("Polls", place.polls);
    if (place.start !== undefined) fact("Start", `+${duration(place.start)}`);
    if (took(place) !== undefined) fact("Time", duration(took(place)));
    if (place.from) fact("Received from", placeLinks(place.from));
    if (place.at) {
        const [text, line] = place.at;
        const name = RUN.texts[text][0].split("/").pop();
        fact("Written at", h("a", { href: `#line-${text}-${line}` }, `${name}:${line}`));
    }
    const parts = [facts];
    const part = (title, ...content) =>
        parts.push(h("div", { class: "part" }, h("h4", {}, title), ...content));
    if (place.failure !== undefined)
        part(
            place.handled ? "Failure, handled" : "Failure",
            failureBlock(RUN.failures[place.failure]),
        );
    if ((place.tries || []).length > 1) part("Attempts", attemptTable(place));
    if (place.received !== undefined) part("Received", h("pre", {}, place.received));
    if (place.result !== undefined)
        part(place.failed ? "Result, as a failure" : "Result", h("pre", {}, place.result));
    if (place.log) part("Log", logLines(place.log));
    return h("div", { class: "details" }, parts);
}

function whyNot(place) {
    if (place.reused) return "no, its outcome is that of the resumed run";
    return place.state === "failed" && place.failure === undefined
        ? "no, because a place before it failed"
        : "no";
}

function placeLinks(names) {
    const shown = names
        .slice(0, 8)
        .map((name, at) => [
            at ? ", " : "",
            button(name, () => showPlace(name), { class: "link" }),
        ]);
    return names.length > 8 ? [shown.flat(), ` and ${names.length - 8} more`] : shown.flat();
}

function failureBlock(failure) {
    const reason = h("p", { class: "reason" }, failureText(failure));
    return h("div", {}, reason, failure.traceback.trim() ? traceback(failure) : null);
}

function traceback(failure) {
    return h("pre", { tabindex: "0" }, failure.traceback.trimEnd());
}

function attemptTable(place) {
    const rows = place.tries.map(([start, end, failure], at) => {
        const before = at ? place.tries[at - 1][1] : null;
        return h(
            "tr",
            {},
            h("td", { class: "number" }, at + 1),
            h("td", { class: "number" }, at && before !== null ? duration(start - before) : "–"),
            h("td", { class: "number" }, `+${duration(start)}`),
            h("td", { class: "number" }, end === null ? "–" : duration(end - start)),
            h("td", {}, failure || ""),
        );
    });
    const heads = ["Attempt", "Waited", "Start", "Time", "Failure"].map((title, at) =>
        h("th", { scope: "col", class: at < 4 ? "number" : "" }, title),
    );
    return h("table", { class: "plain" }, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, rows));
}
