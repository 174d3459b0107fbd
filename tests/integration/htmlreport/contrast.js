// The texts of the page whose contrast with their background is below 4.5, as WCAG AA demands.
(() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgb = (colour, under) => {
        canvas.fillStyle = under;
        canvas.fillRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const css = ([r, g, b]) => `rgb(${r} ${g} ${b})`;
    const background = (element) => {
        if (!element) return [255, 255, 255];
        return rgb(
            getComputedStyle(element).backgroundColor,
            css(background(element.parentElement)),
        );
    };
    const light = (colour) => {
        const [r, g, b] = colour.map((part) => {
            const share = part / 255;
            return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const poor = [];
    for (const element of document.querySelectorAll(
        "body *:not(script, svg, svg *, .unseen, .skip)",
    )) {
        const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        if (!own || !element.checkVisibility()) continue;
        const under = background(element);
        const over = rgb(getComputedStyle(element).color, css(under));
        const [a, b] = [light(over), light(under)].sort((x, y) => y - x);
        const contrast = (a + 0.05) / (b + 0.05);
        if (contrast < 4.5)
            poor.push(`${element.className || element.tagName}: ${contrast.toFixed(2)}`);
    }
    for (const text of document.querySelectorAll("svg .box text")) {
        const box = text.parentNode.querySelector("path");
        const [over, under] = [getComputedStyle(text).fill, getComputedStyle(box).fill];
        const [a, b] = [light(rgb(over, under)), light(rgb(under, "white"))].sort((x, y) => y - x);
        const contrast = (a + 0.05) / (b + 0.05);
        if (contrast < 4.5) poor.push(`${text.textContent}: ${contrast.toFixed(2)}`);
    }
    return [...new Set(poor)];
})();
