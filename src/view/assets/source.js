// Where the page's data come from: the server, or the page itself where it was saved with them.

const embeddedData = document.getElementById("data");
const saved = embeddedData ? JSON.parse(embeddedData.textContent) : null;

export const isServed = saved === null;

async function get(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error((await response.text()).trim());
  return response.text();
}

// The alerts after a number, newest first; `fault` says what is wrong with the condition.
export async function loadList(condition, after) {
  if (saved) return saved.list;
  return JSON.parse(await get(`alerts?where=${encodeURIComponent(condition)}&after=${after}`));
}

export async function loadAlert(number) {
  if (saved) return saved.documents[number];
  return JSON.parse(await get(`alert/${number}`));
}

// The whole alert. Integers that a JavaScript number cannot hold, such as Rubin's ids, are BigInt.
export async function loadFields(number) {
  const text = saved ? saved.fields[number] : await get(`alert/${number}/fields`);
  return JSON.parse(text, (key, value, context) => {
    const isRounded = typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value);
    return isRounded && context && /^-?\d+$/.test(context.source) ? BigInt(context.source) : value;
  });
}

// The address of a download, where there is a server.
export function alertUrl(number, what) {
  return isServed ? `alert/${number}/${what}` : null;
}
