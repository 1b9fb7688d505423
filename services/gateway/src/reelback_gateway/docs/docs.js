const make = (tag, text = "", parent = null) => {
  const element = document.createElement(tag);
  element.textContent = text;
  parent?.append(element);
  return element;
};

const resolve = (api, schema) => schema?.$ref ? api.components.schemas[schema.$ref.split("/").pop()] : schema;

// An example of a schema: its own, or made of those of its fields.
const example = (api, given) => {
  const schema = resolve(api, given) ?? {};
  if (schema.examples) return schema.examples[0];
  if (schema.type === "object") {
    return Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, field]) => [name, example(api, field)]));
  }
  if (schema.type === "array") return [example(api, schema.items)];
  return schema.enum?.[0] ?? schema.default ?? schema.format ?? schema.type ?? null;
};

const show = (api, path, method, operation, parent) => {
  const box = make("details", "", parent);
  const summary = make("summary", "", box);
  make("span", method.toUpperCase(), summary).className = "method";
  make("code", path, summary);
  summary.append(" " + operation.description);
  const query = (operation.parameters ?? []).map((it) => `${it.name}=${it.schema.default}`).join("&");
  const url = make("input", "", box);
  url.value = path + (query && "?" + query);
  url.setAttribute("aria-label", "path and query");
  let body = null;
  if (operation.requestBody) {
    body = make("textarea", "", box);
    body.rows = 5;
    body.setAttribute("aria-label", "body");
    body.value = JSON.stringify(example(api, operation.requestBody.content["application/json"].schema), null, 2);
  }
  const button = make("button", "Send", box);
  const good = Object.entries(operation.responses).find(([status]) => status.startsWith("2"));
  const schema = good[1].content?.["application/json"]?.schema;
  const answer = make("pre", `${good[0]} ${schema ? JSON.stringify(example(api, schema), null, 2) : ""}`, box);
  button.onclick = async () => {
    const token = document.getElementById("token").value.trim();
    const headers = { ...(body && { "Content-Type": "application/json" }), ...(token && { Authorization: `Bearer ${token}` }) };
    try {
      const response = await fetch(url.value, { method: method.toUpperCase(), headers, body: body?.value });
      const text = await response.text();
      answer.textContent = `${response.status} ${text && JSON.stringify(JSON.parse(text), null, 2)}`;
    } catch (error) {
      answer.textContent = String(error);
    }
  };
};

fetch("../openapi.json").then((response) => response.json()).then((api) => {
  document.getElementById("about").textContent = api.info.description;
  const groups = {};
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) (groups[operation.tags[0]] ??= []).push([path, method, operation]);
  }
  for (const [name, operations] of Object.entries(groups)) {
    const section = make("section", "", document.querySelector("main"));
    make("h2", name, section);
    for (const [path, method, operation] of operations) show(api, path, method, operation, section);
  }
});
