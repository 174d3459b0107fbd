// The flow as a picture. Graphviz lays it out; the drawing is made here, so that its colours are
// those of the page, and each box can be reached with the keyboard.

const SVG = "http://www.w3.org/2000/svg";
const PIXELS = 4 / 3; // Graphviz counts in points.

function s(tag, attributes, ...children) {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
}

let graphviz = null;

// The library is packed. Its hash is in the security policy, so the browser runs nothing else.
function loadGraphviz() {
    graphviz = graphviz || unpackGraphviz();
    return graphviz;
}

async function unpackGraphviz() {
    const packed = document.getElementById("library").textContent;
    const bytes = Uint8Array.from(atob(packed), (char) => char.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const code = await new Response(stream).text();
    const script = document.createElement("script");
    const types = window.trustedTypes;
    const policy = types && types.createPolicy("volnux-library", { createScript: (text) => text });
    script.text = policy ? policy.createScript(code) : code;
    document.head.append(script);
    return window.Viz.instance();
}

async function drawFlow(picture, choose) {
    const viz = await loadGraphviz();
    const layout = JSON.parse(viz.renderString(picture.dot, { format: "json" }));
    const [, , width, height] = layout.bb.split(",").map(Number);
    const flip = ([x, y]) => [x, height - y];
    const boxes = new Map(
        picture.boxes.map(([name, state, ran], number) => [name, { number, state, ran }]),
    );
    const frames = s("g", {});
    const titles = s("g", {});
    const nodes = s("g", {});
    const focusable = [];
    for (const object of layout.objects || []) {
        if (object.nodes || object.subgraphs || object.bb) {
            const kind = frameKind(object);
            frames.append(s("g", { class: kind }, ...shapes(object._draw_, flip)));
            titles.append(s("g", { class: kind }, ...texts(object._ldraw_, flip)));
            continue;
        }
        const box = boxes.get(object.name);
        const node = drawNode(object, box, flip);
        if (box) {
            node.addEventListener("click", () => choose(box.number, object.name));
            focusable.push(node);
        }
        nodes.append(node);
    }
    const edges = s(
        "g",
        {},
        ...edgesOf(layout).map(([edge, label]) => drawEdge(edge, label, flip)),
    );
    const margin = 6;
    const svg = s(
        "svg",
        {
            viewBox: `${-margin} ${-margin} ${width + 2 * margin} ${height + 2 * margin}`,
            role: "group",
            "aria-label": `${picture.title}: ${count(focusable.length, "box", "boxes")}. The arrow keys move between them, Enter shows the places of one in the table.`,
        },
        frames,
        edges,
        titles,
        nodes,
    );
    walkWithArrows(svg, focusable);
    return { svg, width: (width + 2 * margin) * PIXELS, height: (height + 2 * margin) * PIXELS };
}

function frameKind(object) {
    if (object.color === "#6b8fc4") return "frame use";
    return Number(object.penwidth) > 1 ? "frame each" : "frame";
}

function drawNode(object, box, flip) {
    const kind = box
        ? `box ${box.state || ""} ${box.state === "failed" && !box.ran ? "unrun" : ""}`
        : object.label === "!"
          ? "box failed"
          : "point";
    const words = texts(object._ldraw_, flip);
    const [middle] = object.pos.split(",");
    words.forEach((text, line) => {
        // Fonts differ in width; the middle is right for all of them.
        text.setAttribute("x", middle);
        text.setAttribute("text-anchor", "middle");
        if (words.length > 1) text.setAttribute("dy", line ? 1.8 : -1);
    });
    const node = s("g", { class: kind }, ...shapes(object._draw_, flip), ...words);
    const title = s("title", {});
    title.textContent = object.tooltip || "";
    node.prepend(title);
    if (box) {
        const [name, ...more] = words.map((text) => text.textContent);
        node.setAttribute("role", "button");
        node.setAttribute("tabindex", "-1");
        node.setAttribute("aria-label", [name, box.state, ...more].filter(Boolean).join(", "));
    }
    return node;
}

// The edges and their labels. If the flow goes on after every end of a place, that needs no label.
function edgesOf(layout) {
    const edges = (layout.edges || []).map((edge) => [edge, (edge.label || "").trim()]);
    const branching = new Set(
        edges.filter(([, label]) => label !== "0, 1").map(([edge]) => edge.tail),
    );
    return edges.map(([edge, label]) => [edge, branching.has(edge.tail) ? label : ""]);
}

function drawEdge(edge, label, flip) {
    const branch = { "": "", 0: "no", 1: "yes" }[label];
    const pipe = Number(edge.penwidth) > 1 ? "pipe" : "";
    return s(
        "g",
        { class: `edge ${pipe} ${branch === undefined ? "other" : branch}`, "aria-hidden": "true" },
        ...shapes(edge._draw_, flip),
        ...shapes(edge._hdraw_, flip, "head"),
        ...(label ? texts(edge._ldraw_, flip) : []),
    );
}

// The drawing operations of Graphviz that its boxes, frames and arrows consist of.
function shapes(operations, flip, kind) {
    const found = [];
    for (const each of operations || []) {
        const points = (each.points || []).map(flip);
        if (each.op === "b" || each.op === "B") {
            const [start, ...rest] = points;
            found.push(s("path", { class: kind || "", d: `M${start} C${rest.join(" ")}` }));
        } else if (each.op === "p" || each.op === "P") {
            found.push(s("path", { class: kind || "", d: `M${points.join("L")}Z` }));
        } else if (each.op === "e" || each.op === "E") {
            const [x, y, rx, ry] = each.rect;
            const [cx, cy] = flip([x, y]);
            found.push(s("ellipse", { cx, cy, rx, ry }));
        }
    }
    return found;
}

function texts(operations, flip) {
    const found = [];
    let size = 12;
    for (const each of operations || []) {
        if (each.op === "F") size = each.size;
        if (each.op !== "T") continue;
        const [x, y] = flip(each.pt);
        const anchor = { l: "start", c: "middle", r: "end" }[each.align];
        const text = s("text", { x, y, "font-size": size, "text-anchor": anchor });
        if (size < 10) text.setAttribute("class", "small");
        text.textContent = each.text;
        found.push(text);
    }
    return found;
}

// One stop of the Tab key for the whole picture; the arrow keys move inside of it.
function walkWithArrows(svg, nodes) {
    if (!nodes.length) return;
    let current = 0;
    nodes[0].setAttribute("tabindex", "0");
    const go = (number) => {
        nodes[current].setAttribute("tabindex", "-1");
        current = Math.max(0, Math.min(nodes.length - 1, number));
        nodes[current].setAttribute("tabindex", "0");
        nodes[current].focus();
        nodes[current].scrollIntoView({ block: "nearest", inline: "nearest" });
    };
    svg.addEventListener("keydown", (event) => {
        const steps = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };
        if (event.key in steps) go(current + steps[event.key]);
        else if (event.key === "Home") go(0);
        else if (event.key === "End") go(nodes.length - 1);
        else if (event.key === "Enter" || event.key === " ") {
            nodes[current].dispatchEvent(new MouseEvent("click", { bubbles: true }));
        } else return;
        event.preventDefault();
    });
    svg.addEventListener("focusin", (event) => {
        const number = nodes.indexOf(event.target);
        if (number >= 0 && number !== current) {
            nodes[current].setAttribute("tabindex", "-1");
            current = number;
            nodes[current].setAttribute("tabindex", "0");
        }
    });
}

// The section with the picture, its legend and its zoom.
function flowSection(choose) {
    if (!RUN.pictures.length) return null;
    const stage = h(
        "div",
        { class: "stage", "aria-busy": "true" },
        h("p", { class: "note" }, "The flow is being drawn…"),
    );
    const zoomed = h("output", { class: "zoomed" }, "");
    let drawn = null;
    let scale = 1;

    function zoom(wanted) {
        if (!drawn) return;
        scale = Math.max(0.05, Math.min(3, wanted));
        drawn.svg.setAttribute("width", Math.round(drawn.width * scale));
        drawn.svg.setAttribute("height", Math.round(drawn.height * scale));
        zoomed.textContent = `${Math.round(scale * 100)} %`;
    }
    function fit() {
        if (drawn)
            zoom(
                Math.min(
                    1,
                    (stage.clientWidth - 34) / drawn.width,
                    Math.max(420, innerHeight * 0.7) / drawn.height,
                ),
            );
    }
    async function show(number) {
        stage.setAttribute("aria-busy", "true");
        chosen.forEach((each, at) => each.setAttribute("aria-pressed", at === number));
        const picture = RUN.pictures[number];
        try {
            drawn = await drawFlow(picture, (box, name) => choose(number, box, name));
            stage.replaceChildren(drawn.svg);
            // A long flow is read from its start; it is not made smaller than its text can be read.
            zoom(Math.max(0.75, Math.min(1, (stage.clientWidth - 34) / drawn.width)));
        } catch (error) {
            stage.replaceChildren(
                h("p", { class: "note" }, `This browser cannot draw the flow: ${error}`),
            );
        }
        stage.removeAttribute("aria-busy");
    }
    const chosen = RUN.pictures.map((picture, number) => button(picture.title, () => show(number)));
    later(() => show(0));
    return section(
        "flow",
        "Flow",
        h(
            "div",
            { class: "tools" },
            chosen.length > 1
                ? h("div", { class: "choice", role: "group", "aria-label": "Detail" }, chosen)
                : null,
            legend(),
            h(
                "div",
                { class: "choice zoom", role: "group", "aria-label": "Size of the picture" },
                button("−", () => zoom(scale / 1.25), { "aria-label": "Smaller" }),
                zoomed,
                button("+", () => zoom(scale * 1.25), { "aria-label": "Larger" }),
                button("Fit", fit),
            ),
        ),
        h(
            "div",
            { class: "scroll", tabindex: "0", role: "region", "aria-label": "Picture of the flow" },
            stage,
        ),
    );
}

function legend() {
    const line = (kind, text) =>
        h(
            "span",
            { class: "key" },
            h("span", { class: `swatch ${kind}`, "aria-hidden": "true" }),
            text,
        );
    const used = STATES.filter((state) => PLACES.some((place) => place.state === state));
    return h(
        "div",
        { class: "legend" },
        used.map((state) => line(`fill ${state}`, state)),
        line("line pipe", "passes its result on"),
        line("line", "order only"),
    );
}
