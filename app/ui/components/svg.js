// @ts-check
// Drawings that are no Plotly figure: shapes as SVG, and saving them.
import { saveBlob } from "./csv.js";

const SVG = "http://www.w3.org/2000/svg";

/** @param {import("../review/curve.js").Shape} shape */
export function shapeNode({ tag, attributes, text }) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  if (text !== undefined) node.textContent = text;
  return node;
}

/**
 * @param {Element[]} nodes
 * @param {{format: "png" | "svg", filename: string, width: number, height: number}} options
 */
export async function saveDrawing(nodes, { format, filename, width, height }) {
  const svg = shapeNode({ tag: "svg", attributes: { width, height, viewBox: `0 0 ${width} ${height}` } });
  svg.append(...nodes);
  const drawing = new Blob([new XMLSerializer().serializeToString(svg)], { type: "image/svg+xml" });
  if (format === "svg") {
    saveBlob(`${filename}.svg`, drawing);
    return;
  }
  const image = new Image();
  image.src = URL.createObjectURL(drawing);
  try {
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: 2 * width, height: 2 * height });
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((made) => canvas.toBlob(made, "image/png"));
    if (!blob) throw new Error("The browser could not draw it");
    saveBlob(`${filename}.png`, blob);
  } finally {
    URL.revokeObjectURL(image.src);
  }
}
