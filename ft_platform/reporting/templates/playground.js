"use strict";
// Texts of clients and models go into the page as text only: `make` sets properties and appends strings.
(() => {
  const at = (id) => document.getElementById(id);
  const make = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };
  const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
  // Not `disabled`: a button that has the focus would lose it.
  const switched = (button, on) => { button.ariaDisabled = String(!on); };
  const percent = (share) => `${(100 * share).toFixed(1)} %`;

  let models = new Map();
  let key = "";
  let needsKey = false;
  let asking = null;
  let asked = 0;

  class Refused extends Error {
    constructor(message, headers) {
      super(message);
      this.headers = headers;
    }
  }

  async function call(path, body, signal) {
    const headers = { "Content-Type": "application/json" };
    if (key) headers.Authorization = `Bearer ${key}`;
    const options = { method: body ? "POST" : "GET", headers, signal, credentials: "omit", cache: "no-store" };
    if (body) options.body = JSON.stringify(body);
    const answer = await fetch(path, options).catch((error) => {
      throw error.name === "AbortError" ? error : new Refused("The server does not answer.");
    });
    if (answer.ok) return answer;
    const told = await answer.json().catch(() => ({}));
    const error = new Refused(`The server refuses: ${told.error?.message ?? `status ${answer.status}`}`, answer.headers);
    error.status = answer.status;
    throw error;
  }

  // Models

  async function load() {
    at("problem").textContent = "";
    try {
      const found = await (await call("v1/models")).json();
      models = new Map(found.data.map((model) => [model.id, model]));
      needsKey = needsKey || Boolean(key);
      at("status").textContent = models.size ? "" : "No model is served at the moment.";
    } catch (error) {
      models = new Map();
      needsKey = needsKey || error.status === 401;
      at("status").textContent = needsKey && !key ? "This server needs a key." : "";
      if (key || !needsKey) at("problem").textContent = error.message;
    }
    at("with-key").hidden = at("needs-key").hidden = !needsKey;
    const before = at("model").value;
    at("model").replaceChildren(...[...models.keys()].map((name) => new Option(name, name)));
    if (models.has(before)) at("model").value = before;
    switched(at("ask"), Boolean(models.size) && !asking);
    chosen();
  }

  function chosen() {
    const model = models.get(at("model").value);
    const aliases = [...models.values()].filter((one) => one.use_case === model?.use_case && one !== model);
    at("compare").hidden = !aliases.length;
    at("other").replaceChildren(new Option("nothing", ""), ...aliases.map((one) => new Option(one.id, one.id)));
    at("about").textContent = !model ? "" : model.labels.length
      ? `Answers with one of ${plural(model.labels.length, "label")}; `
        + (model.abstain_below > 1 ? "only suggests it: a person decides on every request."
          : model.abstain_below ? `abstains below ${percent(model.abstain_below)}.` : "abstains only from texts without words.")
      : "Answers with a text.";
    snippets();
  }

  // The conversation

  function message(role, text) {
    const roles = make("select", {}, ...["user", "assistant", "system"].map((one) => new Option(one, one)));
    roles.value = role;
    const words = make("textarea", { value: text, required: true, rows: 3, dir: "auto" });
    const remove = make("button", { type: "button", textContent: "Remove" });
    const item = make("li", {}, roles, words, remove);
    remove.addEventListener("click", () => {
      item.remove();
      numbered();
      at("add").focus();
    });
    words.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) at("question").requestSubmit(at("ask"));
    });
    at("messages").append(item);
    numbered();
    return words;
  }

  function numbered() {
    const items = [...at("messages").children];
    items.forEach(({ children: [roles, words, remove] }, place) => {
      const of = items.length === 1 ? "" : ` of message ${place + 1}`;
      roles.ariaLabel = `Role${of}`;
      words.ariaLabel = `Text${of}`;
      remove.ariaLabel = `Remove message ${place + 1}`;
      remove.hidden = items.length === 1;
    });
    snippets();
  }

  const conversation = () => [...at("messages").children].map(({ children: [roles, words] }) =>
    ({ role: roles.value, content: words.value }));

  function bodyFor(model, messages) {
    if (!model.labels.length) return { model: model.id, messages };
    const single = messages.length === 1 && messages[0].role === "user";
    return { model: model.id, input: single ? messages[0].content : messages };
  }

  // Answers

  async function ask(names) {
    const messages = conversation();
    const control = new AbortController();
    asking = control;
    asked += 1;
    switched(at("ask"), false);
    switched(at("stop"), true);
    at("problem").textContent = "";
    at("status").textContent = "Asked; the answer is being written.";
    at("said").textContent = "";
    const cards = names.map((name) => new Card(models.get(name)));
    at("answers").replaceChildren(...cards.map((card) => card.element));
    const said = await Promise.all(cards.map((card) => card.fill(messages, control.signal)));
    asking = null;
    switched(at("ask"), true);
    switched(at("stop"), false);
    at("status").textContent = "";
    at("said").textContent = said.join(" ");
  }

  class Card {
    constructor(model) {
      this.model = model;
      this.content = make("div");
      const title = make("h3", { id: `card-${asked}-${model.id}`, textContent: model.id });
      this.element = make("article", { className: "card" }, title, this.content);
      this.element.setAttribute("aria-labelledby", title.id);
    }

    // What a screen reader says about it when it is there.
    async fill(messages, signal) {
      const began = performance.now();
      this.element.ariaBusy = "true";
      let headers, words, acted;
      try {
        const told = this.model.labels.length
          ? await this.classify(messages, signal) : await this.stream(messages, signal);
        ({ headers, acted } = told);
        this.behind(told, (performance.now() - began) / 1000);
        this.feedback(told.id);
        words = told.words;
      } catch (error) {
        if (!(error instanceof Refused) && error.name !== "AbortError") console.error(error);
        headers = error.headers;
        words = error.name === "AbortError" ? "Stopped." : error instanceof Refused ? error.message
          : "The answer ended before it was whole.";
        this.warn(words);
      }
      // A stream names what acted on the answer at its end.
      const guardrail = acted?.join(", ") ?? headers?.get("X-FT-Guardrail");
      if (guardrail) this.content.prepend(make("p", { className: "warning" }, `Guardrail that acted: ${guardrail}`));
      this.element.ariaBusy = "false";
      return `${this.model.id}: ${words}${guardrail ? ` A guardrail acted: ${guardrail}.` : ""}`;
    }

    warn(words) {
      this.content.append(make("p", { className: "warning", textContent: words }));
    }

    async classify(messages, signal) {
      const answer = await call("v1/classify", bodyFor(this.model, messages), signal);
      const told = await answer.json();
      const [found] = told.data;
      this.content.append(make("p", { className: "label", dir: "auto", textContent: found.label }),
        make("p", {}, `Confidence: ${percent(found.probability)}`));
      const unsure = found.probability < this.model.abstain_below;
      const why = this.model.abstain_below > 1 ? "this model only suggests"
        : unsure ? `not as sure as ${percent(this.model.abstain_below)}` : "this model is not tested on such texts";
      const abstained = found.abstained ? `Abstained: ${why}, so a person should decide.` : "";
      if (abstained) this.warn(abstained);
      this.content.append(this.bars(found));
      const words = `${found.label}, ${percent(found.probability)}. ${abstained}`;
      return { id: told.id, headers: answer.headers, usage: told.usage, words };
    }

    bars({ label, probabilities }) {
      const rows = Object.entries(probabilities).sort((one, other) => other[1] - one[1]).map(([name, share]) => {
        const bar = make("span");
        bar.style.width = percent(share).replace(" ", "");
        return make("tr", { className: name === label ? "best" : "" },
          make("th", { scope: "row", dir: "auto", textContent: name }),
          make("td", { className: "number", textContent: percent(share) }),
          make("td", { className: "bar", ariaHidden: "true" }, bar));
      });
      const caption = make("caption", {}, `Probability of each of ${plural(rows.length, "label")}`);
      const box = make("div", { className: "bars", tabIndex: 0, role: "region" },
        make("table", {}, caption, make("tbody", {}, ...rows)));
      box.ariaLabel = `Labels of ${this.model.id}`;
      return box;
    }

    async stream(messages, signal) {
      const body = { ...bodyFor(this.model, messages), stream: true, stream_options: { include_usage: true } };
      const answer = await call("v1/chat/completions", body, signal);
      const text = document.createTextNode("");
      this.content.append(make("p", { className: "text", dir: "auto" }, text));
      const told = { headers: answer.headers };
      for await (const event of events(answer.body)) {
        if (event.error) throw new Refused(`The server stopped: ${event.error.message}`, answer.headers);
        told.id = event.id;
        told.usage = event.usage ?? told.usage;
        text.appendData(event.choices[0]?.delta.content ?? "");
        told.ended = event.choices[0]?.finish_reason ?? told.ended;
        told.acted = event.x_ft_guardrail ?? told.acted;
      }
      if (!told.ended) throw new Error("no end");
      const ended = told.ended === "content_filter" ? "A guardrail withheld the answer."
        : told.ended === "length" ? "Cut off: the answer is as long as answers of this model may be."
          : text.data ? "" : "The answer is empty.";
      if (ended) this.warn(ended);
      if (text.data) this.goOn(messages, text.data);
      return { ...told, words: `${text.data} ${ended}`.trim() };
    }

    goOn(messages, text) {
      const button = make("button", { type: "button", textContent: "Go on with this answer" });
      button.addEventListener("click", () => {
        at("messages").replaceChildren();
        for (const one of messages) message(one.role, one.content);
        message("assistant", text);
        message("user", "").focus();
      });
      this.content.append(button);
    }

    behind({ headers, usage }, seconds) {
      const read = plural(usage.prompt_tokens, "token");
      const written = usage.completion_tokens ? `, ${usage.completion_tokens.toLocaleString("en")} written` : "";
      const facts = { Release: headers.get("X-FT-Release"), Checkpoint: headers.get("X-FT-Checkpoint"),
        Time: `${seconds.toFixed(2)} seconds`, Tokens: `${read} read${written}` };
      this.content.append(make("dl", { className: "behind" }, ...Object.entries(facts).flatMap(([name, value]) =>
        [make("dt", { textContent: name }), make("dd", { textContent: value })])));
    }

    feedback(id) {
      const said = make("p", { role: "status" });
      const give = (words, opinion) => {
        const button = make("button", { type: "button" }, ...words);
        button.addEventListener("click", async () => {
          const given = opinion();
          if (!given) {
            said.textContent = "Choose the right label first.";
            return;
          }
          try {
            await call("v1/feedback", { request_id: id, ...given });
            said.textContent = "Thank you, it is noted.";
          } catch (error) {
            said.textContent = error.message;
          }
        });
        return button;
      };
      const thumb = (sign) => make("span", { ariaHidden: "true", textContent: `${sign} ` });
      const rate = make("div", { className: "row", role: "group", ariaLabel: `Rate the answer of ${this.model.id}` },
        give([thumb("\u{1F44D}"), "Good"], () => ({ rating: "good" })),
        give([thumb("\u{1F44E}"), "Bad"], () => ({ rating: "bad" })));
      if (this.model.labels.length) {
        const right = make("select", {}, new Option("...", ""),
          ...this.model.labels.map((label) => new Option(label, label)));
        rate.append(make("label", { className: "field" }, "The right label is", right),
          give(["Send"], () => right.value && { correct_label: right.value }));
      }
      this.content.append(rate, said);
    }
  }

  // Server-sent events as the server writes them: one `data:` line each.
  async function* events(stream) {
    const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const lines = (rest + part.value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (line.startsWith("data: ") && line !== "data: [DONE]") yield JSON.parse(line.slice(6));
      }
    }
  }

  // Snippets. JSON is also a literal of Python and JavaScript here: it holds only texts, lists and objects.

  function snippets() {
    const model = models.get(at("model").value);
    const body = model ? bodyFor(model, conversation()) : { model: "...", messages: conversation() };
    const base = new URL("v1", location.href).href;
    const path = body.messages ? "chat/completions" : "classify";
    const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
    const json = JSON.stringify(body);
    const named = Object.entries(body).map(([name, value]) => [name, JSON.stringify(value)]);
    const keyLine = needsKey ? " \\\n  -H \"Authorization: Bearer $FT_API_KEY\"" : "";
    const python = needsKey ? ['import os\n\n', 'os.environ["FT_API_KEY"]'] : ["", '"none"'];
    const node = needsKey ? "process.env.FT_API_KEY" : '"none"';
    const write = (id, ...lines) => { at(id).textContent = lines.join("\n"); };
    write("curl", `curl ${base}/${path}${keyLine} \\`, "  -H 'Content-Type: application/json' \\", `  -d ${quoted(json)}`);
    const begin = `${python[0]}from openai import OpenAI\n\nclient = OpenAI(base_url="${base}", api_key=${python[1]})`;
    const start = `import OpenAI from "openai";\n\nconst client = new OpenAI({ baseURL: "${base}", apiKey: ${node} });`;
    if (body.messages) {
      write("python", begin, "answer = client.chat.completions.create(",
        ...named.map(([name, value]) => `    ${name}=${value},`), ")", "print(answer.choices[0].message.content)");
      write("javascript", start, "const answer = await client.chat.completions.create({",
        ...named.map(([name, value]) => `  ${name}: ${value},`), "});", "console.log(answer.choices[0].message.content);");
    } else {
      write("python", begin, `answer = client.post("/classify", body=${json}, cast_to=object)`,
        'print(answer["data"][0]["label"], answer["data"][0]["probability"], answer["data"][0]["abstained"])');
      write("javascript", start, `const answer = await client.post("/classify", { body: ${json} });`,
        "console.log(answer.data[0].label, answer.data[0].probability, answer.data[0].abstained);");
    }
  }

  async function copy(button) {
    const text = at(button.dataset.copy);
    getSelection().selectAllChildren(text);
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "Copied";
    } catch { // without encryption a page of another machine may not
      button.textContent = "Selected";
    }
  }

  at("with-key").addEventListener("submit", (event) => {
    event.preventDefault();
    key = at("key").value;
    load();
  });
  at("question").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!asking && models.size) ask([at("model").value, at("other").value].filter(Boolean));
  });
  at("stop").addEventListener("click", () => asking?.abort());
  at("model").addEventListener("change", chosen);
  at("messages").addEventListener("input", snippets);
  at("add").addEventListener("click", () => message("user", "").focus());
  at("reset").addEventListener("click", () => {
    asking?.abort();
    at("messages").replaceChildren();
    at("answers").replaceChildren();
    message("user", "").focus();
  });
  for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", () => copy(button));
  message("user", "");
  load();
})();
