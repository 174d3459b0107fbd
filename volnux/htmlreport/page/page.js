// The page: its head, its sections, and what happens at its links.

const MOST_FAILURES = 50;
const OPEN_FAILURES = 3;
const MOST_LOGS = 50;

function head() {
    const facts = h("dl", { class: "facts" });
    const fact = (name, ...value) =>
        facts.append(h("div", {}, h("dt", {}, name), h("dd", {}, ...value)));
    fact("Took", duration(RUN.took));
    if (RUN.started_at) fact("Started", clock(RUN.started_at));
    // Without a schedule, the scheduled time is that of the start.
    if (RUN.scheduled_at && Math.abs(new Date(RUN.scheduled_at) - new Date(RUN.started_at)) > 1000)
        fact("Scheduled for", clock(RUN.scheduled_at));
    fact("Backend", RUN.backend);
    fact("Run", h("code", {}, RUN.run_id));
    if (RUN.resumed_from) fact("Resumes", h("code", {}, RUN.resumed_from));
    return h(
        "header",
        {},
        h("div", { class: "title" }, h("h1", {}, RUN.pipeline), badge(RUN.status)),
        RUN.description ? h("p", { class: "description" }, RUN.description) : null,
        facts,
        shares(),
    );
}

// How many places ended in each state, as one bar.
function shares() {
    const bar = h("div", { class: "shares", "aria-hidden": "true" });
    for (const state of ["done", "skipped", "running", "cancelled", "lost", "failed"]) {
        const number = PLACES.filter((place) => place.state === state).length;
        if (!number) continue;
        const part = h("span", { class: state });
        part.style.flexGrow = number;
        bar.append(part);
    }
    return PLACES.length ? bar : null;
}

// Equal failures of the copies of a place are shown once.
function failuresSection() {
    const groups = new Map();
    for (const place of PLACES) {
        if (!place.failed) continue;
        const key = [
            place.template,
            place.handled ? 1 : 0,
            place.failure === undefined ? place.result : place.failure,
        ].join("\n");
        if (!groups.has(key)) groups.set(key, []);
        groups.get(key).push(place);
    }
    const found = [...groups.values()];
    const handled = found.filter(([place]) => place.handled);
    const lost = found.filter(([place]) => !place.handled);
    if (!found.length && RUN.failure === null) return null;
    const items = failureItems(lost, OPEN_FAILURES);
    if (RUN.failure !== null) {
        items.unshift(
            h(
                "div",
                { class: "failure" },
                h("h3", {}, "The run"),
                failureBlock(RUN.failures[RUN.failure]),
            ),
        );
    }
    if (handled.length) {
        const places = handled.reduce((sum, each) => sum + each.length, 0);
        const title = `The flow handled the ${places === 1 ? "failure" : "failures"} of ${count(places, "place")}`;
        items.push(
            h(
                "details",
                { class: "failure handled" },
                h("summary", {}, title),
                h("div", {}, failureItems(handled, 0)),
            ),
        );
    }
    return section("failures", "Failures", items);
}

function failureItems(groups, open) {
    const items = groups
        .slice(0, MOST_FAILURES)
        .map((places, number) => failureItem(places, number < open));
    const more = groups.length - MOST_FAILURES;
    if (more > 0)
        items.push(h("p", { class: "note" }, `${count(more, "more failure")} in the table below.`));
    return items;
}

function failureItem(places, open) {
    const [place] = places;
    const failure = place.failure === undefined ? null : RUN.failures[place.failure];
    const names =
        places.length === 1
            ? place.name
            : `${place.name} and ${count(places.length - 1, "more copy", "more copies")}`;
    const reason = failure
        ? failureText(failure)
        : `it returned ${place.result === undefined ? "None" : place.result}`;
    const short = firstLine(reason, 200);
    const after = place.attempts > 1 ? `After ${place.attempts} attempts. ` : "";
    const show = () => {
        if (places.length === 1) showPlace(place.name);
        else
            pick(
                `failed copies of ${place.template}`,
                places.map((each) => each.number),
            );
    };
    return h(
        "details",
        { class: `failure ${place.handled ? "handled" : ""}`, open },
        h(
            "summary",
            {},
            h("span", { class: "where" }, names),
            h("span", { class: short === reason ? "why" : "why cut" }, short),
        ),
        short === reason ? null : h("p", { class: "reason" }, reason),
        failure && failure.traceback.trim() ? traceback(failure) : null,
        h(
            "p",
            { class: "note" },
            after,
            button(places.length === 1 ? "Show the place" : "Show the places", show, {
                class: "link",
            }),
        ),
    );
}

// Lines of log are made when their place is opened.
function logSection() {
    const logged = PLACES.filter((place) => place.log);
    if (!logged.length && !RUN.log) return null;
    const list = h("div", { class: "logs" });
    const add = (name, log) => {
        const total = log.lines.length + log.left_out;
        const item = h(
            "details",
            { class: "log" },
            h(
                "summary",
                {},
                h("span", { class: "where" }, name),
                h("span", { class: "copies" }, count(total, "line")),
            ),
        );
        item.addEventListener("toggle", () => {
            if (item.open && item.children.length === 1) item.append(logLines(log));
        });
        list.append(item);
    };
    if (RUN.log) add("Outside of the places", RUN.log);
    const addSome = (most) => logged.splice(0, most).forEach((place) => add(place.name, place.log));
    addSome(MOST_LOGS);
    const more = logged.length
        ? button(
              `Show the logs of ${count(logged.length, "more place")}`,
              () => {
                  more.remove();
                  addSome(logged.length);
              },
              { class: "link" },
          )
        : null;
    return section("log", "Log", list, more);
}

function pairsSection(id, title, pairs, code) {
    if (!pairs.length) return null;
    const rows = pairs.map(([name, text]) =>
        h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, code ? h("pre", {}, text) : text)),
    );
    return section(
        id,
        title,
        h("table", { class: "plain", "aria-labelledby": `${id}-title` }, h("tbody", {}, rows)),
    );
}

function textSection() {
    if (!RUN.texts.length) return null;
    const files = RUN.texts.map(([filename, text], number) => {
        const lines = text.replace(/\n$/, "").split("\n");
        return h(
            "div",
            {},
            h("h3", {}, filename.split("/").pop()),
            h(
                "ol",
                { class: "code" },
                lines.map((line, at) =>
                    h(
                        "li",
                        { id: `line-${number}-${at + 1}`, tabindex: "-1" },
                        h("code", {}, line),
                    ),
                ),
            ),
        );
    });
    return section("text", "Text", files);
}

function sectionLinks(sections) {
    const links = sections.map((each) =>
        h("li", {}, h("a", { href: `#${each.id}` }, each.querySelector("h2").textContent)),
    );
    return h("nav", { "aria-label": "Sections" }, h("ul", {}, links));
}

function chooseBox(picture, box, name) {
    const numbers = RUN.pictures[picture].of.flatMap((each, place) =>
        each === box ? [place] : [],
    );
    if (numbers.length === 1) showPlace(PLACES[numbers[0]].name);
    else if (numbers.length)
        pick(
            numbers.length > 1 && PLACES[numbers[0]].template === name
                ? name
                : `${name} … (${numbers.length})`,
            numbers,
        );
}

const sections = [
    failuresSection(),
    flowSection(chooseBox),
    placesSection(),
    logSection(),
    pairsSection("inputs", "Inputs", RUN.inputs, true),
    textSection(),
    pairsSection("versions", "Versions", RUN.versions, false),
].filter(Boolean);

document.body.append(
    h("a", { class: "skip", href: "#places" }, "Skip to the places"),
    head(),
    sectionLinks(sections),
    h("main", {}, sections),
);
document.documentElement.style.setProperty("--step", `${table.step}%`);
