// SPDX-License-Identifier: MIT
// Looks at a report that a browser has laid out: are the plots there, within their frames, and can all be read on the
// page's background? Says what is wrong in the page's title.
const wrong = [];

function luminance(colour) {
    const part = colour.match(/[\d.]+/g).slice(0, 3).map(v => v / 255)
        .map(v => v <= 0.03928 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4));
    return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
}

const background = getComputedStyle(document.body).backgroundColor;

// WCAG 2.1: 4.5 for text, 3 for what is drawn.
function readable(element, colour, least) {
    const a = luminance(colour) + 0.05, b = luminance(background) + 0.05, contrast = Math.max(a, b) / Math.min(a, b);
    if (contrast < least)
        wrong.push(`${element.tagName} ${element.getAttribute("class")} ${element.textContent.slice(0, 20)}: contrast ` +
            contrast.toFixed(1));
}

function within(element, frame) {
    const r = element.getBoundingClientRect();
    if (r.left < frame.left - 1 || r.right > frame.right + 1 || r.top < frame.top - 1 || r.bottom > frame.bottom + 1)
        wrong.push(`${element.tagName} ${element.textContent.slice(0, 20)}: outside of its figure`);
}

const figures = document.querySelectorAll("svg");
let published = 0;
for (const svg of figures) {
    const frame = svg.getBoundingClientRect();
    if (frame.width < 300 || frame.height < 150)
        wrong.push(`a figure of ${frame.width} by ${frame.height}`);
    if (svg.querySelectorAll("circle.ours").length < 2)
        wrong.push("a figure without points");
    for (const text of svg.querySelectorAll("text")) {
        readable(text, getComputedStyle(text).fill, 4.5);
        within(text, frame);
    }
    for (const circle of svg.querySelectorAll("circle")) {
        readable(circle, getComputedStyle(circle).color, 3);
        within(circle, frame);
        published += circle.classList.contains("published");
    }
    for (const line of svg.querySelectorAll("polyline"))
        readable(line, getComputedStyle(line).stroke, 3);
}
for (const text of document.querySelectorAll("h1, h2, p, th, td, pre, summary"))
    readable(text, getComputedStyle(text).color, 4.5);
if (document.documentElement.scrollWidth > window.innerWidth)
    wrong.push("the page is wider than its window");
document.title = `${matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"}: ${figures.length} figures, ` +
    `${published} published points, wrong: ${wrong.length === 0 ? "nothing" : wrong.join("; ")}`;
