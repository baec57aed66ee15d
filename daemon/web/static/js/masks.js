// What hides an alarm, and the forms that hide it or show it again: who, why, until when.
import { clock, millis } from "./format.js";
import { t } from "./i18n.js";

const HOUR_S = 3600;
const SHIFT_H = 12;

function make(tag, className, words) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (words !== undefined) node.textContent = words;
  return node;
}

function field(form, name, more = {}) {
  const label = make("label", "", t(`mask.${name}`));
  const input = make("input");
  Object.assign(input, { name, required: true, maxLength: 200, ...more });
  label.append(input);
  form.append(label);
  return input;
}

// The panel of one alarm; `act(action, item, fields)` sends the command.
export function masks(item, state, act) {
  const box = make("section", "masks");
  const may = new Set(state.hello?.actions ?? []);
  for (const [reason, mask] of Object.entries(item.masks ?? {})) box.append(told(reason, mask));
  const button = (action, done) => {
    if (!may.has(action)) return;
    const made = make("button", "", t(`act.${action}`));
    made.type = "button";
    made.dataset.act = action;
    made.onclick = () => done(made);
    box.append(made);
  };
  if (item.masks?.shelved) button("unshelve", () => act("unshelve", item, {}));
  else button("shelve", () => box.append(shelve(item, act)));
  if (item.masks?.out_of_service) button("return-to-service", () => act("return-to-service", item, {}));
  else button("out-of-service", () => box.append(withdraw(item, state, act)));
  return box;
}

function told(reason, mask) {
  const until = mask.until ? t("mask.ends", { at: clock(millis(mask.until)) }) : "";
  const words = [t(`mask.${reason}`), mask.person, mask.second, mask.owner, mask.permit, mask.reason, until];
  return make("p", "muted", words.filter(Boolean).join(" · "));
}

function form(box, submit) {
  box.onsubmit = (event) => {
    event.preventDefault();
    submit(Object.fromEntries(new FormData(box)));
    box.remove();
  };
  const send = make("button", "", t("mask.send"));
  box.append(send);
  return box;
}

function shelve(item, act) {
  const box = make("form", "mask");
  box.dataset.form = "shelve";
  field(box, "reason");
  field(box, "minutes", { type: "number", min: 1, max: 480, required: false });
  return form(box, ({ reason, minutes }) =>
    act("shelve", item, minutes ? { reason, kind: "timed", seconds: minutes * 60 } : { reason, kind: "one-shot" }));
}

function withdraw(item, state, act) {
  const box = make("form", "mask");
  box.dataset.form = "out-of-service";
  field(box, "permit");
  field(box, "reason");
  field(box, "hours", { type: "number", min: 1, max: SHIFT_H, value: 4 });
  field(box, "second", { required: false });
  field(box, "pin", { required: false, type: "password", autocomplete: "off" });
  return form(box, ({ permit, reason, hours, second, pin }) => {
    const until = String(BigInt(Math.floor(state.now() + hours * HOUR_S * 1000)) * 1000000n);
    const signed = second ? { second: { person: second, pin } } : {};
    act("out-of-service", item, { permit, reason, until, ...signed });
  });
}
