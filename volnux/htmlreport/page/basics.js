"use strict";
// The parts share one scope: basics.js, flow.js, rows.js, table.js, page.js, in this order.

const RUN = JSON.parse(document.getElementById("content").textContent);
const PLACES = RUN.places;
// The worst first. A place that was under way in a run without an end is lost or running.
const STATES = ["failed", "lost", "cancelled", "running", "done", "skipped"];
const MARKS = {
    failed: "✕",
    lost: "✕",
    cancelled: "⊘",
    running: "…",
    done: "✓",
    skipped: "–",
    success: "✓",
};

// An element with attributes and children. A child that is text becomes a text node, never HTML.
function h(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
        if (value === true) element.setAttribute(name, "");
        else if (value !== false && value !== null && value !== undefined) {
            element.setAttribute(name, String(value));
        }
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return element;
}

function button(text, action, attributes) {
    const element = h("button", { type: "button", ...attributes }, text);
    if (action) element.addEventListener("click", action);
    return element;
}

// Text that only a screen reader reads.
function unseen(text) {
    return h("span", { class: "unseen" }, text);
}

const format = new Intl.NumberFormat("en").format;

function count(number, singular, plural) {
    return `${format(number)} ${number === 1 ? singular : plural || singular + "s"}`;
}

// A duration in milliseconds, as the command line shows it: 5ms, 1.25s, 12.3s, 2m 05s, 1h 02m.
function duration(time) {
    if (time === undefined || time === null) return "–";
    const seconds = Math.max(0, time) / 1000;
    if (seconds < 0.9995) return `${Math.round(seconds * 1000)}ms`;
    if (seconds < 9.995) return `${seconds.toFixed(2)}s`;
    if (seconds < 59.95) return `${seconds.toFixed(1)}s`;
    const whole = Math.round(seconds);
    const two = (number) => String(number).padStart(2, "0");
    if (whole < 3600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
    return `${Math.floor(whole / 3600)}h ${two(Math.floor((whole % 3600) / 60))}m`;
}

function took(place) {
    return place.start === undefined || place.end === undefined
        ? undefined
        : place.end - place.start;
}

function clock(iso) {
    const moment = new Date(iso);
    const text = moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
    return h("time", { datetime: iso, title: `${moment.toISOString()} (UTC)` }, text);
}

// A state as a mark and a word; the colour only repeats the word.
function badge(state, text) {
    return h(
        "span",
        { class: `badge ${state}` },
        h("span", { class: "mark", "aria-hidden": "true" }, MARKS[state] || ""),
        text || state,
    );
}

function failureText(failure) {
    return failure.message ? `${failure.type}: ${failure.message}` : failure.type;
}

function firstLine(text, most) {
    const line = text.split("\n", 1)[0];
    return line.length > most || line.length < text.length ? `${line.slice(0, most)}…` : line;
}

// A section of the page, which the bar at the top links to.
function section(id, title, ...children) {
    return h(
        "section",
        { id, "aria-labelledby": `${id}-title` },
        h("h2", { id: `${id}-title`, tabindex: "-1" }, title),
        ...children,
    );
}

// Log lines as a list, with the time since the start of the run.
function logLines(log) {
    const rows = log.lines.map(([at, level, attempt, text]) =>
        h(
            "li",
            {
                class: `line ${/^(ERROR|CRITICAL)$/.test(level) ? "bad" : level === "WARNING" ? "warn" : ""}`,
            },
            h("span", { class: "when" }, at === null ? "" : `+${duration(at)}`),
            h("span", { class: "level" }, level),
            h("span", { class: "said" }, attempt > 1 ? `(attempt ${attempt}) ${text}` : text),
        ),
    );
    const left = log.left_out
        ? h("p", { class: "note" }, `${count(log.left_out, "earlier line")} left out.`)
        : null;
    return h("div", {}, left, h("ol", { class: "lines" }, rows));
}

// Whatever may take long happens after the page has been shown.
function later(action) {
    requestAnimationFrame(() => setTimeout(action, 0));
}
