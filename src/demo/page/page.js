// The page of `ivan demo --web`. The server sends the whole state of one person after each change; this script draws it
// and posts what the person does. Every text is inserted as a text node.
"use strict";

const at = (id) => document.getElementById(id);

/** The newest state, the person, the place (a conversation or "home"), and the root of the open thread. */
let state = null;
let me = "U0ANN01";
let place = null;
let thread = null;
let stream = null;
let drawn = "";
/** The newest message that was seen, by person and conversation. */
const seen = new Map();
/** When an error of Slack, which has no `ts`, was first seen: by its number. */
const appeared = new Map();
/** People whose messages tab was opened once. */
const arrived = new Set();

// ------------------------------------------------------------ elements

/** Makes an element. `on…` are listeners; true, false and null are flags; children are nodes or texts. */
function h(tag, properties, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/**
 * Makes the children of `parent` those of `items`. An item with the same key and content keeps its element. Returns the
 * elements that were drawn again.
 */
function reconcile(parent, items, keyOf, draw) {
  const changed = [];
  const old = parent.kept || new Map();
  const kept = new Map();
  let next = parent.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    const same = JSON.stringify(item);
    let one = old.get(key);
    if (one && one.same !== same) {
      const fresh = draw(item);
      const had = one.node.contains(document.activeElement) ? document.activeElement : null;
      if (next === one.node) next = fresh;
      one.node.replaceWith(fresh);
      carry(one.node, fresh, had);
      fresh.classList.add("changed");
      changed.push(fresh);
      one = { same, node: fresh };
    } else if (!one) {
      one = { same, node: draw(item) };
    }
    kept.set(key, one);
    if (one.node === next) next = next.nextSibling;
    else parent.insertBefore(one.node, next);
  }
  for (const [key, one] of old) if (!kept.has(key)) one.node.remove();
  parent.kept = kept;
  return changed;
}

/** Keeps open details, typed text and the focus of an element that is drawn again. */
function carry(before, after, focused) {
  for (const old of before.querySelectorAll("[data-keep]")) {
    const now = after.querySelector(`[data-keep="${CSS.escape(old.dataset.keep)}"]`);
    if (!now) continue;
    if (old.localName === "details") now.open = old.open;
    else if (old.type === "checkbox") now.checked = old.checked;
    else now.value = old.value;
  }
  if (!focused) return;
  const name = focused.dataset.focus;
  const now = name && after.querySelector(`[data-focus="${CSS.escape(name)}"]`);
  if (now) return now.focus();
  after.tabIndex = -1;
  after.focus();
}

function clear(parent) {
  parent.replaceChildren();
  parent.kept = null;
}

/** Keeps the end of a list in view until a person scrolls up. A list that gets lower keeps its place. */
function sticky(list) {
  let scrolled = 0;
  list.isAtEnd = true;
  list.grows = true;
  list.stay = () => {
    if (list.grows && list.isAtEnd) list.scrollTop = list.scrollHeight;
  };
  list.addEventListener("scroll", () => {
    const isNear = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
    list.isAtEnd = isNear || (list.isAtEnd && list.scrollTop >= scrolled);
    scrolled = list.scrollTop;
  });
  new ResizeObserver(list.stay).observe(list);
}

let toasting = 0;
function toast(text) {
  at("toast").textContent = text;
  clearTimeout(toasting);
  toasting = setTimeout(() => { at("toast").textContent = ""; }, 6000);
}

// ------------------------------------------------------------ requests

/** Posts what somebody does; `act` describes it in the log. Says why if it is refused. */
async function post(path, body, act) {
  let answer;
  try {
    const sent = await fetch(`${path}?act=${encodeURIComponent(act)}`, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
    });
    answer = await sent.json();
  } catch {
    answer = { ok: false, error: "The demo does not answer. It may have ended." };
  }
  if (!answer.ok) toast(answer.error || "That was refused.");
  return answer;
}

function connect() {
  if (stream) stream.close();
  stream = new EventSource(`events?user=${me}`);
  stream.onmessage = (event) => {
    state = JSON.parse(event.data);
    at("banner").hidden = true;
    draw();
  };
  stream.onerror = () => {
    at("banner").textContent = "The demo does not answer. It may have ended: start it again, and open its new address.";
    at("banner").hidden = false;
  };
}

const member = (id) => state.members.find((one) => one.id === id);
const nameOf = (id) => (id === state.bot ? "Ivan" : state.people.find((one) => one.id === id)?.name
  || member(id)?.real_name || member(id)?.name || id);
const myName = () => nameOf(me);
const zone = () => member(me)?.tz || undefined;
/** The colleague who changes tasks without Ivan. */
const colleague = () => state.people.find((one) => one.id === (me === "U0BOB01" ? "U0ANN01" : "U0BOB01"));

// ------------------------------------------------------------ text

const EMOJI = {
  white_check_mark: "✅", heavy_check_mark: "✔️", eyes: "👀", zzz: "💤", hourglass_flowing_sand: "⏳", hourglass: "⌛",
  x: "❌", warning: "⚠️", tada: "🎉", rocket: "🚀", "+1": "👍", "-1": "👎", fire: "🔥", slightly_smiling_face: "🙂",
  bell: "🔔", no_bell: "🔕", lock: "🔒", wave: "👋", memo: "📝", pushpin: "📌", arrow_right: "➡️", bulb: "💡",
  rotating_light: "🚨", calendar: "📆", speech_balloon: "💬", link: "🔗", heart: "❤️",
};
const emoji = (name) => EMOJI[name] || `:${name}:`;
const withEmoji = (text) => text.replace(/:([a-z0-9_+-]+):/g, (whole, name) => EMOJI[name] || whole);
const entities = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

const MARKS = { "*": "strong", _: "em", "~": "s" };
const WORD = /[\p{L}\p{N}]/u;

/** Text in Slack's wire form as nodes: marks, links, mentions, dates, quotes, code. */
function mrkdwn(text) {
  const controls = [];
  const held = text.replace(/[\ue000\ue001]/g, "").replace(/<([^<>\n]+)>/g, (_, inner) => {
    controls.push(inner);
    return `\ue000${controls.length - 1}\ue001`;
  });
  const made = document.createDocumentFragment();
  const parts = held.split("```");
  parts.forEach((part, number) => {
    const isCode = number % 2 === 1 && number < parts.length - 1;
    if (isCode) made.append(h("pre", {}, h("code", {}, bare(part.replace(/^\n|\n$/g, ""), controls))));
    else lines(number % 2 === 1 ? "```" + part : part, controls, made);
  });
  return made;
}

/** The lines of a text; those behind `>` are quotes. */
function lines(text, controls, into) {
  if (!text) return;
  let quote = null;
  let isFirst = true;
  for (const line of text.split("\n")) {
    const quoted = /^(?:&gt;|>) ?(.*)$/s.exec(line);
    if (quoted && !quote) {
      quote = h("blockquote", {});
      into.append(quote);
      inline(quoted[1], controls, quote);
    } else if (quoted) {
      quote.append(h("br", {}));
      inline(quoted[1], controls, quote);
    } else {
      if (!isFirst && !quote) into.append(h("br", {}));
      quote = null;
      inline(line, controls, into);
    }
    isFirst = false;
  }
}

function inline(text, controls, into) {
  let plain = "";
  const flush = () => {
    if (plain) into.append(withEmoji(entities(plain)));
    plain = "";
  };
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === "\ue000") {
      const end = text.indexOf("\ue001", i);
      flush();
      into.append(control(controls[Number(text.slice(i + 1, end))]));
      i = end;
      continue;
    }
    const end = c === "`" ? text.indexOf("`", i + 1) : MARKS[c] ? closing(text, i) : -1;
    if (end > i + 1) {
      flush();
      const inner = text.slice(i + 1, end);
      const made = h(c === "`" ? "code" : MARKS[c], {});
      if (c === "`") made.append(bare(inner, controls));
      else inline(inner, controls, made);
      into.append(made);
      i = end;
      continue;
    }
    plain += c;
  }
  flush();
}

/** The end of a mark that begins at `i`, or -1. Marks stand at the edges of words. */
function closing(text, i) {
  const mark = text[i];
  const before = text[i - 1];
  const after = text[i + 1];
  if ((before && WORD.test(before)) || !after || /\s/.test(after) || after === mark) return -1;
  for (let j = i + 2; j < text.length; j++) {
    const next = text[j + 1];
    if (text[j] === mark && !/\s/.test(text[j - 1]) && (!next || !WORD.test(next))) return j;
  }
  return -1;
}

/** Text inside code: no marks, and links by their addresses. */
function bare(text, controls) {
  return entities(text.replace(/\ue000(\d+)\ue001/g, (_, number) => controls[Number(number)].split("|").pop()));
}

/** A mention, a date, a broadcast or a link. */
function control(inner) {
  const [target, label] = inner.split(/\|(.*)/s);
  if (target.startsWith("@")) return h("span", { class: "mention" }, `@${nameOf(target.slice(1))}`);
  if (target.startsWith("#")) {
    const channel = state.conversations.find((one) => one.id === target.slice(1));
    return h("span", { class: "mention" }, `#${label || channel?.name || target.slice(1)}`);
  }
  if (target.startsWith("!date^")) return date(target.split("^"), label);
  if (target.startsWith("!")) return h("span", { class: "mention" }, entities(label || `@${target.slice(1).split("^")[0]}`));
  return link(entities(target), label === undefined ? entities(target) : withEmoji(entities(label)));
}

/** A link. Nothing here leaves the machine: the page of a task is shown beside the conversation. */
function link(url, label) {
  const go = (event) => {
    event.preventDefault();
    follow(url);
  };
  return h("a", { href: "#", title: url, onclick: go }, label);
}

function follow(url) {
  const task = state.sources.flatMap((source) => source.tasks.map((one) => ({ source, one })))
    .find(({ one }) => one.url === url);
  const shown = task && document.querySelector(`[data-task="${CSS.escape(`${task.source.system}:${task.one.key}`)}"]`);
  if (!shown) return toast(`In Slack this opens ${url}`);
  show("sources");
  shown.scrollIntoView({ block: "center" });
  shown.tabIndex = -1;
  shown.focus();
}

const FORMS = {
  date_num: { year: "numeric", month: "2-digit", day: "2-digit" },
  date: { year: "numeric", month: "long", day: "numeric" },
  date_short: { year: "numeric", month: "short", day: "numeric" },
  date_long: { weekday: "long", year: "numeric", month: "long", day: "numeric" },
  time: { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  time_secs: { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
};

/** `<!date^1764460800^{date_short_pretty} at {time}|fallback>` in the reader's zone. */
function date(parts, fallback) {
  const when = new Date(Number(parts[1]) * 1000);
  if (Number.isNaN(when.getTime())) return document.createTextNode(entities(fallback || ""));
  const text = (parts[2] || "").replace(/\{(\w+)\}/g, (whole, name) => {
    if (name.endsWith("_pretty")) {
      const days = dayNumber(when) - dayNumber(new Date());
      const near = { "-1": "yesterday", 0: "today", 1: "tomorrow" }[days];
      return near || written(when, FORMS[name.slice(0, -7)]) || whole;
    }
    if (name === "ago") return ago(when);
    return written(when, FORMS[name]) || whole;
  });
  return h("time", { datetime: when.toISOString(), title: written(when, { ...FORMS.date_long, ...FORMS.time }) },
    text || entities(fallback || ""));
}

const written = (when, form) => form && new Intl.DateTimeFormat("en-GB", { ...form, timeZone: zone() }).format(when);
const dayNumber = (when) => {
  const [day, month, year] = written(when, FORMS.date_num).split("/").map(Number);
  return Math.round(Date.UTC(year, month - 1, day) / 86_400_000);
};

function ago(when) {
  const minutes = Math.round((Date.now() - when) / 60_000);
  if (Math.abs(minutes) < 60) return `${minutes} minutes ago`;
  return Math.abs(minutes) < 1440 ? `${Math.round(minutes / 60)} hours ago` : `${Math.round(minutes / 1440)} days ago`;
}

/** A text object of a block. */
const textOf = (text) => (text.type === "mrkdwn" ? mrkdwn(text.text) : withEmoji(text.text));
const plainOf = (text) => withEmoji(entities((text?.text || "").replace(/<[^<>|]*\|([^<>]*)>/g, "$1")));

/** The Markdown of a `markdown` block: headings, lists, quotes, code and marks. */
function markdown(text) {
  const made = document.createDocumentFragment();
  const parts = text.split(/^```.*$/m);
  parts.forEach((part, number) => {
    if (number % 2 === 1) return made.append(h("pre", {}, h("code", {}, part.trim())));
    let list = null;
    for (const line of part.split("\n")) {
      const item = /^\s*(?:([-*+])|\d+[.)])\s+(.*)$/.exec(line);
      const heading = /^(#{1,6})\s+(.*)$/.exec(line);
      const quote = /^>\s?(.*)$/.exec(line);
      if (item) {
        const kind = item[1] ? "ul" : "ol";
        if (list?.localName !== kind) made.append((list = h(kind, {})));
        list.append(h("li", {}, markdownInline(item[2])));
        continue;
      }
      list = null;
      if (heading) made.append(h("p", { class: "heading" }, markdownInline(heading[2])));
      else if (quote) made.append(h("blockquote", {}, markdownInline(quote[1])));
      else if (line.trim()) made.append(h("p", {}, markdownInline(line)));
    }
  });
  return made;
}

function markdownInline(text) {
  const made = [];
  const pattern = /`([^`]+)`|\*\*([^*]+)\*\*|__([^_]+)__|\*([^*\s][^*]*)\*|_([^_\s][^_]*)_|~~([^~]+)~~|\[([^\]]+)\]\(([^)\s]+)\)/g;
  let last = 0;
  for (const found of text.matchAll(pattern)) {
    made.push(withEmoji(text.slice(last, found.index)));
    const [, code, strong, bold, em, italic, struck, label, url] = found;
    if (code) made.push(h("code", {}, code));
    else if (strong || bold) made.push(h("strong", {}, strong || bold));
    else if (em || italic) made.push(h("em", {}, em || italic));
    else if (struck) made.push(h("s", {}, struck));
    else made.push(link(url, label));
    last = found.index + found[0].length;
  }
  made.push(withEmoji(text.slice(last)));
  return made;
}

/** The elements of a `rich_text` block. */
function rich(element) {
  const inside = () => (element.elements || []).map(rich);
  switch (element.type) {
    case "rich_text_section": return h("p", {}, inside());
    case "rich_text_quote": return h("blockquote", {}, inside());
    case "rich_text_preformatted": return h("pre", {}, h("code", {}, inside()));
    case "rich_text_list":
      return h(element.style === "ordered" ? "ol" : "ul", { start: element.offset ? element.offset + 1 : null },
        (element.elements || []).map((one) => h("li", {}, (one.elements || []).map(rich))));
    case "link": return link(element.url, element.text || element.url);
    case "emoji": return emoji(element.name);
    case "user": return h("span", { class: "mention" }, `@${nameOf(element.user_id)}`);
    case "channel": return control(`#${element.channel_id}`);
    case "broadcast": return h("span", { class: "mention" }, `@${element.range}`);
    case "usergroup": return h("span", { class: "mention" }, `@${element.usergroup_id}`);
    case "date": return date(["", element.timestamp, element.format], element.fallback);
    case "color": return element.value || "";
    default: return styled(element.text || "", element.style || {});
  }
}

function styled(text, style) {
  const marks = { bold: "strong", italic: "em", strike: "s", code: "code" };
  return Object.keys(marks).filter((name) => style[name])
    .reduce((made, name) => h(marks[name], {}, made), document.createTextNode(text));
}

// ------------------------------------------------------------ blocks

/** The blocks of a message or a Home tab; `use(element, pick)` is called for their elements. */
function drawBlocks(blocks, use) {
  return blocks.map((block) => drawBlock(block, use));
}

function drawBlock(block, use) {
  switch (block.type) {
    case "section": {
      const about = plainOf(block.text).split("\n")[0].slice(0, 80);
      return h("div", { class: "section" },
        h("div", { class: "words" },
          block.text ? h("div", {}, textOf(block.text)) : null,
          block.fields ? h("div", { class: "fields" }, block.fields.map((field) => h("div", {}, textOf(field)))) : null),
        block.accessory ? drawElement(block.accessory, use, about) : null);
    }
    case "header": return h("h3", { class: "heading" }, textOf(block.text));
    case "divider": return h("hr", {});
    case "actions": return h("div", { class: "actions" }, block.elements.map((one) => drawElement(one, use)));
    case "context":
      return h("div", { class: "context" }, block.elements.map((one) => (one.type === "image" ? image(one) : h("span", {}, textOf(one)))));
    case "image": return h("figure", {}, image(block), block.title ? h("figcaption", {}, textOf(block.title)) : null);
    case "markdown": return h("div", { class: "markdown" }, markdown(block.text));
    case "rich_text": return h("div", { class: "rich" }, block.elements.map(rich));
    case "input": return drawInput(block);
    default: return h("p", { class: "note" }, `(a block of the kind ${block.type})`);
  }
}

/** An image is not loaded, since nothing leaves this machine: its description stands for it. */
const image = (block) => h("span", { class: "image", role: "img", "aria-label": block.alt_text, title: block.image_url },
  `🖼 ${block.alt_text}`);

function drawElement(element, use, about) {
  const id = element.action_id;
  const label = plainOf(element.text);
  const name = plainOf(element.placeholder) || about || "Choice";
  const commit = (pick) => confirmed(element.confirm, () => use(element, pick));
  switch (element.type) {
    case "button":
      return h("button", {
        type: "button", class: element.style || null, "data-focus": id, title: element.url || null,
        "aria-label": element.accessibility_label || (about ? `${label}: ${about}` : null),
        onclick: () => commit(undefined),
      }, label);
    case "static_select":
    case "overflow": {
      const select = h("select", { "aria-label": name, "data-focus": id },
        element.initial_option ? null : h("option", { value: "", hidden: true }, element.type === "overflow" ? "⋯" : name),
        options(element));
      if (!element.initial_option) select.value = "";
      select.addEventListener("change", () => commit(select.value));
      return select;
    }
    case "datepicker":
    case "timepicker": {
      const kind = element.type === "datepicker" ? "date" : "time";
      const input = h("input", { type: kind, value: element[`initial_${kind}`] || "", "data-focus": id });
      const submit = (event) => {
        event.preventDefault();
        commit(input.value);
      };
      return h("form", { class: "picker", onsubmit: submit }, h("label", {}, `${name} `, input),
        h("button", { "data-focus": `${id} set`, "aria-label": `Set ${name}` }, "Set"));
    }
    default: return h("span", { class: "note" }, `(an element of the kind ${element.type})`);
  }
}

function options(element) {
  const draw = (option) => {
    const chosen = element.initial_option?.value === option.value;
    return h("option", { value: option.value, selected: chosen }, plainOf(option.text));
  };
  if (!element.option_groups) return (element.options || []).map(draw);
  return element.option_groups.map((group) => h("optgroup", { label: plainOf(group.label) }, group.options.map(draw)));
}

/** Asks first, where the element says so. */
function confirmed(asked, act) {
  if (!asked) return act();
  const dialog = h("dialog", { "aria-labelledby": "confirm-title" },
    h("h2", { id: "confirm-title" }, plainOf(asked.title)),
    h("div", {}, textOf(asked.text)),
    h("div", { class: "actions" },
      h("button", { type: "button", onclick: () => dialog.close() }, plainOf(asked.deny) || "Cancel"),
      h("button", {
        type: "button", class: asked.style || "primary",
        onclick: () => {
          dialog.close();
          act();
        },
      }, plainOf(asked.confirm) || "OK")));
  dialog.addEventListener("close", () => dialog.remove());
  at("forms").append(dialog);
  dialog.showModal();
}

// ------------------------------------------------------------ messages

const messageId = (message) => (message.ephemeral ? `e${message.number}` : message.ts);

/**
 * Connects the messages in view of this person with the requests of their commands: `requests` has those of each message,
 * `messages` where the message of each request is. A message is known by Ivan's id in it, by its `ts` if it is the person's
 * own, or, if it is ephemeral, as the first to its reader after the command.
 */
function connections() {
  const requests = new Map();
  const messages = new Map();
  const ids = new Map();
  for (const conversation of state.conversations) {
    for (const message of conversation.messages) {
      const root = message.thread_ts && message.thread_ts !== message.ts ? message.thread_ts : null;
      const found = { place: conversation.id, thread: root, id: message.ts };
      ids.set(`${conversation.id} ${message.ts}`, found);
      const uid = message.metadata?.event_payload?.uid;
      if (uid) ids.set(uid, found);
    }
  }
  const find = (shown) => {
    if (!shown.reader) return ids.get(shown.uid || `${shown.channel} ${shown.ts}`);
    if (shown.reader !== me) return undefined;
    const number = state.ephemeral.findIndex((one) => one.channel === shown.channel && Number(one.ts) * 1000 >= shown.since);
    return number < 0 ? undefined : { place: shown.channel, thread: state.ephemeral[number].thread_ts || null, id: `e${number}` };
  };
  for (const one of state.log) {
    for (const found of (one.for?.shown || []).map(find)) {
      if (!found) continue;
      messages.set(one.n, messages.get(one.n) || found);
      const key = `${found.place} ${found.id}`;
      requests.set(key, [...(requests.get(key) || []), one]);
    }
  }
  return { requests, messages };
}

const sortKey = (message) => Number(message.ts || appeared.get(`${me} ${message.number}`));

/** The messages of the conversation or thread in view, with the ephemeral ones among them. */
function inView(conversation) {
  const isHere = (message) => {
    const root = message.thread_ts && message.thread_ts !== message.ts ? message.thread_ts : null;
    if (thread) return message.ts === thread || root === thread;
    return !root || message.subtype === "thread_broadcast";
  };
  const own = state.ephemeral
    .map((one, number) => ({ ...one, ephemeral: true, number }))
    .filter((one) => one.channel === conversation.id && (one.text || one.blocks?.length));
  for (const { number } of own) {
    const key = `${me} ${number}`;
    if (!appeared.has(key)) appeared.set(key, Date.now() / 1000);
  }
  return [...conversation.messages, ...own].filter(isHere).sort((one, other) => sortKey(one) - sortKey(other));
}

const clock = (ts) => written(new Date(Number(ts) * 1000), FORMS.time);

function drawMessage(conversation, message) {
  const isBot = message.ephemeral || message.user === state.bot;
  const author = message.ephemeral && message.from === "slack" ? "Slack" : isBot ? "Ivan" : nameOf(message.user);
  const use = (element, pick) => press(conversation, message, element, pick);
  // What people type is shown by its text: its rich text has the same words.
  const hasBlocks = isBot && message.blocks?.length;
  const body = hasBlocks ? drawBlocks(message.blocks, use) : h("div", { class: "words" }, mrkdwn(saidBySlack(message)));
  const time = message.ts ? h("time", { datetime: new Date(Number(message.ts) * 1000).toISOString() }, clock(message.ts)) : null;
  return h("article", { class: message.ephemeral ? "message own" : "message", "data-message": messageId(message), "aria-label": `${author}${message.ts ? `, ${clock(message.ts)}` : ""}` },
    h("span", { class: isBot ? "face bot" : "face", "aria-hidden": "true" }, author[0]),
    h("div", { class: "said" },
      h("p", { class: "by" }, h("strong", {}, author), author === "Ivan" ? h("span", { class: "badge" }, "app") : null, time,
        message.edited ? h("span", { class: "edited" }, "(edited)") : null),
      message.ephemeral ? h("p", { class: "only" }, "Only visible to you") : null,
      body,
      message.requests ? sentRequests(message.requests) : null,
      (message.files || []).map((file) => h("p", { class: "note" }, `File: ${file.name}`)),
      message.ephemeral ? null : reactions(conversation, message),
      message.ephemeral || thread || !message.reply_count ? null : h("button", {
        type: "button", class: "link", "data-focus": "thread", onclick: () => openThread(message.ts),
      }, message.reply_count === 1 ? "1 reply" : `${message.reply_count} replies`)),
    message.ephemeral ? null : tools(conversation, message, isBot));
}

/** The requests that Ivan sent for a message; each leads to its entry in the list of all. */
function sentRequests(requests) {
  return h("ul", { class: "sent", "aria-label": "Requests that Ivan sent for it" }, requests.map((one) => h("li", {},
    h("button", { type: "button", class: "link", "data-focus": `request ${one.n}`, onclick: () => showRequest(one.n) }, requestLine(one)))));
}

const requestLine = (one) => [
  h("strong", {}, one.to), ` ${one.method} ${one.path.replace(/^\/api\/v2/, "")} → `,
  h("span", { class: one.status !== null && one.status < 400 ? "good" : "bad" }, one.status === null ? "connection lost" : String(one.status)),
  one.times > 1 ? ` (${one.times} times)` : null,
];

function showRequest(n) {
  show("sources");
  const entry = at("log").querySelector(`[data-request="${n}"]`);
  if (!entry) return;
  entry.querySelector("details").open = true;
  entry.scrollIntoView({ block: "center" });
  entry.querySelector("summary").focus();
}

/** Shows a message in the middle, in its conversation and its thread. */
function showMessage(found) {
  place = found.place;
  thread = found.thread;
  show("talk");
  draw();
  const shown = at("messages").querySelector(`[data-message="${CSS.escape(found.id)}"]`);
  if (!shown) return;
  shown.tabIndex = -1;
  shown.scrollIntoView({ block: "center" });
  shown.focus();
}

const saidBySlack = (message) => (message.from === "slack"
  ? `Ivan did not answer in time (${message.text}). Is the daemon running?` : message.text || "");

function reactions(conversation, message) {
  if (!message.reactions?.length) return null;
  return h("div", { class: "reactions" }, message.reactions.map((one) => {
    const mine = one.users.includes(me);
    return h("button", {
      type: "button", "aria-pressed": String(mine), "data-focus": `reaction ${one.name}`,
      "aria-label": `${emoji(one.name)} ${one.count}, ${one.name} by ${one.users.map(nameOf).join(", ")}`,
      onclick: () => react(conversation, message, one.name, mine),
    }, `${emoji(one.name)} ${one.count}`);
  }));
}

function tools(conversation, message, isBot) {
  const has = (name) => message.reactions?.some((one) => one.name === name && one.users.includes(me));
  const signs = ["white_check_mark", "eyes", "zzz"].map((name) => h("button", {
    type: "button", "data-focus": `sign ${name}`, "aria-label": `React with ${name}`, title: `:${name}:`,
    onclick: () => react(conversation, message, name, has(name)),
  }, emoji(name)));
  return h("div", { class: "tools", role: "group", "aria-label": "Message actions" }, signs,
    thread ? null : h("button", { type: "button", "data-focus": "reply", onclick: () => openThread(message.ts) }, "Reply"),
    isBot ? null : h("button", {
      type: "button", "data-focus": "create", title: "The message shortcut “Create task from message”",
      onclick: () => post("do/slack/shortcut", { user: me, callback_id: "create_task", channel: conversation.id, ts: message.ts },
        `${myName()} uses “Create task from message”`),
    }, "Create task…"));
}

function press(conversation, message, element, pick) {
  const label = plainOf(element.text) || plainOf(element.placeholder) || element.action_id;
  const body = { user: me, action_id: element.action_id };
  if (message) Object.assign(body, { channel: conversation.id, ts: message.ts });
  else body.home = true;
  if (pick !== undefined) body.pick = pick;
  post("do/slack/press", body, `${myName()} ${pick === undefined ? "presses" : `picks ${pick || "nothing"} at`} ${label}${message ? "" : " in the Home tab"}`);
  if (element.url) follow(element.url);
}

function react(conversation, message, name, remove) {
  post("do/slack/react", { user: me, channel: conversation.id, ts: message.ts, name, remove: Boolean(remove) },
    `${myName()} ${remove ? "removes" : "reacts with"} ${emoji(name)}`);
}

function openThread(ts) {
  thread = ts;
  draw();
  at("text").focus();
}

// ------------------------------------------------------------ forms

/** An input of a form, with its hint and the place of its error. */
function drawInput(block) {
  const element = block.element;
  const id = `field-${block.block_id}`;
  const label = plainOf(block.label);
  const common = { id, "data-block": block.block_id, "aria-describedby": `${id}-hint ${id}-error`, "aria-required": String(!block.optional) };
  let input;
  if (element.type === "plain_text_input") {
    const limits = { minlength: element.min_length, maxlength: element.max_length, placeholder: plainOf(element.placeholder) || null };
    input = element.multiline ? h("textarea", { ...common, ...limits, rows: 4 }) : h("input", { ...common, ...limits, type: "text" });
    input.value = element.initial_value || "";
  } else if (element.type === "static_select") {
    input = h("select", common, h("option", { value: "" }, plainOf(element.placeholder) || "Choose…"), options(element));
    input.value = element.initial_option?.value || "";
  } else {
    const kind = element.type === "datepicker" ? "date" : "time";
    input = h("input", { ...common, type: kind, value: element[`initial_${kind}`] || "" });
  }
  return h("div", { class: "field" },
    h("label", { for: id }, label, block.optional ? h("span", { class: "note" }, " (optional)") : null), input,
    h("p", { id: `${id}-error`, class: "error" }),
    h("p", { id: `${id}-hint`, class: "note" }, plainOf(block.hint)));
}

/** The values of a form as Slack sends them. */
function valuesOf(view, dialog) {
  const values = {};
  for (const block of view.blocks.filter((one) => one.type === "input")) {
    const element = block.element;
    const value = dialog.querySelector(`[data-block="${CSS.escape(block.block_id)}"]`).value;
    const all = [element.options || [], ...(element.option_groups || []).map((group) => group.options)].flat();
    const sent = { type: element.type };
    if (element.type === "static_select") sent.selected_option = all.find((one) => one.value === value) || null;
    else if (element.type === "datepicker") sent.selected_date = value || null;
    else if (element.type === "timepicker") sent.selected_time = value || null;
    else sent.value = value || null;
    values[block.block_id] = { [element.action_id]: sent };
  }
  return values;
}

function showErrors(view, dialog, errors) {
  let first = null;
  for (const block of view.blocks.filter((one) => one.type === "input")) {
    const input = dialog.querySelector(`[data-block="${CSS.escape(block.block_id)}"]`);
    const why = errors[block.block_id] || "";
    dialog.querySelector(`#${CSS.escape(`${input.id}-error`)}`).textContent = why;
    input.setAttribute("aria-invalid", String(Boolean(why)));
    if (why) first = first || input;
  }
  first?.focus();
}

/** Fields that Slack itself wants to be filled in. */
function missing(view, values) {
  const errors = {};
  for (const block of view.blocks.filter((one) => one.type === "input" && !one.optional)) {
    const { type, ...value } = values[block.block_id][block.element.action_id];
    if (Object.values(value).every((one) => one === null)) errors[block.block_id] = "Please complete this required field.";
  }
  return errors;
}

function drawForm(view) {
  const title = `title-${view.id}`;
  const send = h("button", { class: "primary" }, plainOf(view.submit) || "Submit");
  const close = h("button", { type: "button", onclick: () => dialog.close() }, plainOf(view.close) || "Cancel");
  const hasInput = view.blocks.some((block) => block.type === "input");
  const submit = async (event) => {
    event.preventDefault();
    const values = valuesOf(view, dialog);
    const empty = missing(view, values);
    showErrors(view, dialog, empty);
    if (Object.keys(empty).length) return;
    send.disabled = true;
    const answer = await post("submit", { user: me, view_id: view.id, values }, `${myName()} submits “${plainOf(view.title)}”`);
    send.disabled = false;
    if (answer.ok && answer.errors) showErrors(view, dialog, answer.errors);
  };
  const form = h("form", { onsubmit: submit, novalidate: true },
    h("h2", { id: title }, plainOf(view.title)),
    drawBlocks(view.blocks, () => {}),
    h("div", { class: "actions" }, close, view.submit || hasInput ? send : null));
  const dialog = h("dialog", { class: "form", "aria-labelledby": title }, form);
  // Escape and Cancel: the form is still open in Slack.
  dialog.addEventListener("close", () => {
    if (!dialog.isConnected || dialog.over) return;
    post("do/slack/close", { user: me, view_id: view.id }, `${myName()} closes “${plainOf(view.title)}”`);
  });
  return dialog;
}

function drawForms() {
  const parent = at("forms");
  const shown = new Map([...parent.querySelectorAll("dialog.form")].map((dialog) => [dialog.dataset.view, dialog]));
  for (const view of state.modals) {
    const key = `${view.id} ${view.hash}`;
    if (shown.delete(key)) continue;
    const dialog = drawForm(view);
    dialog.dataset.view = key;
    parent.append(dialog);
    dialog.showModal();
    dialog.querySelector("[data-block]")?.focus();
  }
  for (const dialog of shown.values()) {
    dialog.over = true;
    dialog.close();
    dialog.remove();
  }
}

// ------------------------------------------------------------ the columns

function drawPeople() {
  const parent = at("people");
  const isNews = (person) => person.newest && person.id !== me && person.newest !== seen.get(person.id);
  for (const person of state.people) {
    let label = parent.querySelector(`[data-person="${person.id}"]`);
    if (!label) {
      const input = h("input", { type: "radio", name: "person", value: person.id, onchange: () => become(person.id) });
      label = h("label", { "data-person": person.id }, input, h("span", {}, person.name), h("span", { class: "news" }));
      parent.append(label);
      seen.set(person.id, person.newest);
    }
    label.querySelector("input").checked = person.id === me;
    if (person.id === me) seen.set(me, person.newest);
    label.querySelector(".news").textContent = isNews(person) ? "new" : "";
  }
}

function become(person) {
  me = person;
  place = null;
  thread = null;
  drawn = "";
  // Its times are in the reader's zone.
  clear(at("log"));
  connect();
}

function drawConversations() {
  const places = [
    ...state.conversations.map((one) => ({ id: one.id, label: one.dm ? "Ivan" : `#${one.name}`, dm: one.dm, newest: newestOf(one) })),
    { id: "home", label: "Ivan: Home tab", dm: true },
  ];
  const items = places.map((one) => {
    const key = `${me} ${one.id}`;
    if (!seen.has(key) || one.id === place) seen.set(key, one.newest);
    return { ...one, current: one.id === place, unread: one.newest !== seen.get(key) };
  });
  reconcile(at("conversations"), items, (one) => one.id, (one) => h("li", {}, h("button", {
    type: "button", "data-focus": "go", "aria-current": one.current ? "page" : null, onclick: () => go(one.id),
  }, one.label, one.unread ? h("span", { class: "news" }, "new") : null)));
}

const newestOf = (conversation) => conversation.messages.filter((one) => one.user !== me).pop()?.ts || null;

function go(id) {
  place = id;
  thread = null;
  show("talk");
  if (id === "home") post("do/slack/open", { user: me, tab: "home" }, `${myName()} opens the Home tab`);
  draw();
}

function show(view) {
  document.body.dataset.view = view;
  for (const button of document.querySelectorAll(".views button")) {
    button.setAttribute("aria-pressed", String(button.dataset.view === view));
  }
}

function drawTalk() {
  const list = at("messages");
  const key = `${me} ${place} ${thread}`;
  const isNew = drawn !== key;
  if (isNew) clear(list);
  drawn = key;
  if (isNew) list.isAtEnd = place !== "home";
  // The Home tab keeps its place in a window of another size.
  list.grows = place !== "home";
  const conversation = state.conversations.find((one) => one.id === place);
  at("composer").hidden = !conversation;
  at("leave").hidden = !thread;
  at("tries").hidden = !conversation?.dm || Boolean(thread);
  if (!conversation) {
    at("place").textContent = "Ivan: Home tab";
    list.setAttribute("role", "region");
    const view = state.home ? [state.home] : [{ id: "none", blocks: [] }];
    reconcile(list, view, (one) => one.id, (one) => h("div", { class: "home" },
      one.blocks.length ? drawBlocks(one.blocks, (element, pick) => press(null, null, element, pick))
        : h("p", { class: "note" }, "The Home tab is empty.")));
    if (isNew) list.scrollTop = 0;
    return;
  }
  list.setAttribute("role", "log");
  const name = conversation.dm ? "Ivan" : `#${conversation.name}`;
  at("place").textContent = thread ? `Thread in ${name}` : name;
  at("text").placeholder = thread ? "Reply…" : `Message ${name}`;
  const { requests } = connections();
  const messages = inView(conversation).map((one) => ({ ...one, requests: requests.get(`${conversation.id} ${messageId(one)}`) }));
  reconcile(list, messages, messageId, (one) => drawMessage(conversation, one));
  list.stay();
  hint();
}

const TRIES = ["current", "list", "create Buy milk", "help"];

function hint() {
  const text = at("text").value;
  const conversation = state?.conversations.find((one) => one.id === place);
  let said = "Enter sends, Shift+Enter begins a line. /ivan is the slash command.";
  if (text.startsWith("/")) said = "/ivan [done | comment TEXT | create TITLE | list | help]: the answer is visible to you alone";
  else if (conversation && !conversation.dm && !conversation.has_bot) said = "Ivan is not in this channel.";
  else if (conversation && !conversation.dm) said = "In channels Ivan reads create … and mentions: @ivan done";
  if (isAttached()) said = `${FILE} goes along with the message.`;
  if (at("hint").textContent !== said) at("hint").textContent = said;
}

// A file's name is all that the demo needs of it.
const FILE = "shot.png";
const isAttached = () => at("attach").getAttribute("aria-pressed") === "true";

function attach(is) {
  at("attach").setAttribute("aria-pressed", String(is));
  hint();
}

async function say(text) {
  const conversation = state.conversations.find((one) => one.id === place);
  const command = /^(\/\S+)\s*(.*)$/s.exec(text);
  const where = conversation.dm ? "" : ` in #${conversation.name}`;
  const file = isAttached();
  if (command && !thread && !file) {
    return post("do/slack/command", { user: me, channel: place, command: command[1], text: command[2] }, `${myName()}${where}: ${text}`);
  }
  const body = { user: me, channel: place, text };
  if (thread) body.thread_ts = thread;
  if (file) body.files = [FILE];
  attach(false);
  const answer = await post("do/slack/say", body, `${myName()}${thread ? " in a thread" : where}: ${text}${file ? ` (with ${FILE})` : ""}`);
  if (!answer.ok) attach(file);
  return answer;
}

function drawSources() {
  const other = colleague();
  reconcile(at("systems"), state.sources.map(({ system, name }) => ({ system, name })), (one) => one.system,
    (one) => h("section", { "aria-labelledby": `title-${one.system}` },
      h("h2", { id: `title-${one.system}` }, one.name, " ", h("span", { id: `pill-${one.system}` })),
      h("ul", { class: "tasks", id: `tasks-${one.system}` })));
  for (const source of state.sources) {
    const pill = at(`pill-${source.system}`);
    pill.className = source.down ? "pill bad" : "pill good";
    pill.textContent = source.down ? "down" : "up";
    const tasks = source.tasks.map((task) => ({ ...task, system: source.system, other: other.name }));
    const changed = reconcile(at(`tasks-${source.system}`), tasks, (one) => one.key, (one) => drawTask(one, other));
    // Shown, unless somebody works there.
    if (changed.length && !at("sources").contains(document.activeElement)) changed.at(-1).scrollIntoView({ block: "nearest" });
  }
}

function drawTask(task, other) {
  const due = task.due ? `due ${written(new Date(Number(task.due)), { day: "numeric", month: "short" })}` : null;
  const facts = [task.label, task.kind === "pull request" ? task.kind : null, due, task.priority,
    task.assignees.length ? `for ${task.assignees.join(", ")}` : null, task.tags.map((tag) => `#${tag}`).join(" ")];
  const change = (text, lost) => post("others", { user: other.id, system: task.system, key: task.key, text, lost },
    `${other.name} ${text === undefined ? "completes" : "comments on"} ${task.title}, without Ivan${lost ? "; the webhooks are lost" : ""}`);
  const input = h("input", { type: "text", "data-keep": "comment", "data-focus": "comment", "aria-label": `Comment on ${task.title} as ${other.name}` });
  const lost = h("input", { type: "checkbox", "data-keep": "lost" });
  const comment = async (event) => {
    event.preventDefault();
    if (!input.value.trim()) return input.focus();
    if ((await change(input.value, lost.checked)).ok) document.querySelector(`[data-task="${CSS.escape(`${task.system}:${task.key}`)}"] [data-keep="comment"]`).value = "";
  };
  return h("li", { class: task.open ? "task" : "task done", "data-task": `${task.system}:${task.key}` },
    h("p", { class: "title" }, h("span", { class: "pill" }, task.state), " ", h(task.open ? "span" : "s", {}, task.title)),
    h("p", { class: "note" }, facts.filter(Boolean).join(" · ")),
    task.comments.map((text) => h("blockquote", {}, text.split("\n").flatMap((line) => [h("br", {}), line]).slice(1))),
    h("details", { "data-keep": "change" },
      h("summary", { "data-focus": "change" }, `As ${other.name}, without Ivan`),
      task.open ? h("button", { type: "button", "data-focus": "complete", onclick: () => change(undefined, lost.checked) }, "Complete") : null,
      h("form", { onsubmit: comment }, input, h("button", { "data-focus": "send" }, "Comment")),
      h("label", {}, lost, " and lose the webhooks")));
}

function drawLog() {
  const { messages } = connections();
  const items = state.log.map((one) => ({ ...one, message: messages.get(one.n) }));
  reconcile(at("log"), items, (one) => one.n, (one) => {
    if (one.act) return h("li", { class: "act" }, h("time", {}, written(new Date(one.at), FORMS.time_secs)), " ", one.act);
    return h("li", { class: "request", "data-request": one.n },
      h("details", { "data-keep": "body" }, h("summary", { "data-focus": "body" }, requestLine(one),
        one.fault ? h("span", { class: "note" }, ` (${one.fault})`) : null),
      h("pre", {}, one.body || "(no body)")),
      one.for ? h("p", { class: "note" }, `for ${one.for.verb} of ${one.for.person}`,
        one.message ? [" · ", h("button", { type: "button", class: "link", "data-focus": "message", onclick: () => showMessage(one.message) }, "its message")] : null) : null);
  });
  at("log").stay();
}

function drawDaemon() {
  const { state: now, start, connections, slack_down: isDown } = state.daemon;
  const words = {
    starting: "The daemon starts…", gone: "The daemon is not running",
    ready: connections ? "The daemon runs" : "The daemon runs, without Slack",
  }[now];
  const text = `${words}${start > 1 ? `, start ${start}` : ""}${isDown ? " · Slack is down" : ""}`;
  const line = at("daemon");
  if (line.textContent !== text) line.textContent = text;
  line.className = now === "ready" && connections && !isDown ? "good" : now === "gone" || isDown ? "bad" : "waits";
}

// ------------------------------------------------------------ the switches

const FAULTS = [
  ["slow", "Slow next write"], ["lost", "Lose next answer"], ["rate_limit", "Rate limit, 30 s"],
  ["lose_webhooks", "Lose next webhook"], ["repeat_webhooks", "Double next webhook"],
];

/** The groups of switches: a name and buttons of key, label, act and action; `on` tells whether a switch is on. */
function switches() {
  const groups = state.sources.map((source) => {
    const fault = (kind, label) => ({
      key: `${source.system} ${kind}`, label,
      run: () => post(`do/${source.system}/fault`, { fault: kind }, `${source.name}: ${label}`),
    });
    const down = {
      key: `${source.system} down`, label: "Down", on: source.down,
      run: () => post(`do/${source.system}/fault`, { fault: source.down ? "up" : "down" }, `${source.name} ${source.down ? "is back" : "goes down"}`),
    };
    return { name: source.name, buttons: [down, ...FAULTS.map(([kind, label]) => fault(kind, label)), fault("up", "Mend all")] };
  });
  const { slack_down: isDown, state: now } = state.daemon;
  const slack = (fault, label, act) => ({ key: `slack ${fault}`, label, run: () => post("do/slack/fault", { fault }, act) });
  groups.push({
    name: "Slack", buttons: [
      { ...slack(isDown ? "up" : "down", "Down", isDown ? "Slack is back" : "Slack goes down"), key: "slack down", on: isDown },
      slack("disconnect", "Announce a disconnect", "Slack announces a disconnect"),
      slack("cut", "Cut the connection", "Slack's connection breaks"),
      slack("lose_events", "Lose next event", "Slack loses the next event"),
      slack("lost", "Lose next answer", "Slack loses the answer to the next message"),
      slack("rate_limit", "Rate limit next message", "Slack refuses the next message for 30 s"),
    ],
  });
  const daemon = async (order, act) => {
    const answer = await post("daemon", { do: order }, act);
    if (answer.ok) toast(answer.said);
  };
  groups.push({
    name: "The daemon", buttons: [
      { key: "kill", label: "kill -9", danger: true, off: now === "gone", run: () => daemon("kill", "kill -9 of the daemon") },
      { key: "start", label: "Start", off: now !== "gone", run: () => daemon("start", "The daemon is started") },
      { key: "sync", label: "Read the sources now", off: now !== "ready", run: () => daemon("sync", "ivan sync") },
    ],
  });
  return groups;
}

function drawSwitches() {
  const runs = new Map();
  const groups = switches();
  for (const button of groups.flatMap((group) => group.buttons)) runs.set(button.key, button.run);
  at("switches").runs = runs;
  reconcile(at("switches"), groups, (group) => group.name, (group) => h("fieldset", {}, h("legend", {}, group.name),
    group.buttons.map((one) => h("button", {
      type: "button", class: one.danger ? "danger" : null, "data-focus": one.key, disabled: Boolean(one.off),
      "aria-pressed": one.on === undefined ? null : String(one.on),
      onclick: () => at("switches").runs.get(one.key)(),
    }, one.label))));
}

// ------------------------------------------------------------ all

function draw() {
  if (!state || state.me !== me) return;
  if (!place || (place !== "home" && !state.conversations.some((one) => one.id === place))) place = state.conversations[0].id;
  drawPeople();
  drawConversations();
  drawTalk();
  drawSources();
  drawLog();
  drawDaemon();
  drawSwitches();
  drawForms();
  const dm = state.conversations[0].id;
  if (place === dm && !arrived.has(me)) {
    arrived.add(me);
    post("do/slack/open", { user: me, tab: "messages" }, `${myName()} opens the conversation with Ivan`);
  }
}

sticky(at("messages"));
sticky(at("log"));
at("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const box = at("text");
  const text = box.value.trim();
  if ((!text && !isAttached()) || !state) return;
  box.value = "";
  const answer = await say(text);
  if (!answer.ok && !box.value) box.value = text;
  hint();
});
at("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  at("composer").requestSubmit();
});
at("text").addEventListener("input", hint);
at("attach").addEventListener("click", () => {
  attach(!isAttached());
  at("text").focus();
});
at("leave").addEventListener("click", () => {
  thread = null;
  draw();
  at("text").focus();
});
at("new-task").addEventListener("click", () => post("do/slack/shortcut", { user: me, callback_id: "new_task" }, `${myName()} uses the shortcut “New task”`));
at("tries").append("Try ", ...TRIES.map((text) => h("button", { type: "button", onclick: () => say(text) }, text)));
for (const button of document.querySelectorAll(".views button")) button.addEventListener("click", () => show(button.dataset.view));
show("talk");
connect();
