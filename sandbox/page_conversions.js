// A part of page.html: the events that reached Meta, and the outcomes that the CRM tells.

// --- events Meta received ---------------------------------------------------------------------------------------------

const plural = (count, one, many) => count + " " + (count === 1 ? one : many || one + "s");

function leadOf(leadgenId) {
  const lead = state.leads.find((one) => one.leadgen_id === leadgenId);
  return lead ? nameOf(lead) : leadgenId ? "lead " + leadgenId : "nobody by lead_id";
}

function drawCount(count) {
  const more = [[count.test, "test"], [count.repeated, count.repeated === 1 ? "copy" : "copies"], [count.dropped, "dropped"]].filter(([number]) => number);
  return h("div", {class: "figure slim"}, h("b", {class: "num"}, String(count.received)), h("span", {class: "small soft", dir: "auto"}, count.event_name),
    more.map(([number, word]) => h("span", {class: "tag " + (word === "test" ? "" : "warn")}, number + " " + word)));
}

function drawEvent(event) {
  const tags = [
    event.state === "dropped" ? ["bad", "dropped"] : null,
    event.test_event_code ? ["warn", "test " + event.test_event_code.slice(0, 20)] : null,
    event.times > 1 ? ["warn", "copy " + event.times] : null,
    event.is_crm ? ["good", "Conversion Leads"] : null,
    event.notes.length ? ["warn", plural(event.notes.length, "note")] : null,
  ].filter(Boolean);
  return h("li", {class: "row", "data-event": event.number}, h("span", {class: "small soft num"}, clock(event.at)),
    h("div", {class: "grow"}, h("b", {dir: "auto"}, event.event_name), event.stage ? h("span", {class: "tag stage", dir: "auto"}, event.stage) : null,
      h("p", {class: "small soft"}, h("bdi", {}, leadOf(event.leadgen_id)), " · ", event.channel || event.action_source, " · dataset ", h("span", {class: "mono"}, event.dataset_id))),
    tags.map(([kind, text]) => h("span", {class: "tag " + kind}, text)),
    h("details", {}, h("summary", {}, "What leadloop sent"), event.why ? h("p", {class: "small"}, "Dropped: " + event.why + ".") : null,
      event.notes.map((note) => h("p", {class: "small"}, note + ".")), h("pre", {class: "mono"}, event.payload)));
}

function drawRefused(batch) {
  const which = batch.size > 1 ? "event " + (batch.index + 1) + " of " + batch.size : "the only event";
  return h("li", {class: "row"}, h("span", {class: "small soft num"}, clock(batch.at)),
    h("div", {class: "grow"}, h("b", {}, plural(batch.size, "event") + " refused"),
      h("p", {class: "small soft"}, "because of " + which + ": " + batch.detail + " · dataset ", h("span", {class: "mono"}, batch.dataset_id))),
    h("span", {class: "tag bad"}, "100/" + batch.subcode));
}

function drawEvents() {
  const rows = [...state.events.map((one) => [one.at, drawEvent(one)]), ...state.refused_batches.map((one) => [one.at, drawRefused(one)])];
  rows.sort((one, other) => one[0] < other[0] ? 1 : one[0] > other[0] ? -1 : 0);
  $("event-counts").replaceChildren(...state.event_counts.slice(0, 8).map(drawCount));
  $("event-counts").hidden = !state.event_counts.length;
  $("events").replaceChildren(...(rows.length ? rows.slice(0, 20).map(([, row]) => row)
    : [h("li", {class: "empty"}, h("b", {}, "No event yet"), "What a program sends to a dataset of this pretend Meta arrives here, with Meta's answer.")]));
  if (document.activeElement !== $("language")) $("language").value = state.settings.language;
}

async function speak() {
  await call("POST", "/_sandbox/settings", {language: $("language").value});
  await poll();
}

// --- the outcomes of the CRM ------------------------------------------------------------------------------------------

const STAGES = [["qualified", "Qualified"], ["demo", "Demo"], ["won", "Won"], ["lost", "Lost"]];

async function tell(leadgenId, stage) {
  const deal = stage === "won" ? {value: $("deal-value").value.trim(), currency: $("deal-currency").value.trim(), order_id: "DEAL-" + leadgenId.slice(-6)} : {};
  try {
    const answer = await call("POST", "/_sandbox/outcomes", {leadgen_id: leadgenId, stage, ...deal});
    const sent = answer.outcomes[0];
    const good = sent.status !== null && sent.status < 300;
    say("told", good ? "Told leadloop: " + stage + "." : sent.status ? "leadloop answered " + sent.status + ": " + sent.answer.slice(0, 300)
      : "Nobody answers at " + state.api.url + ".", !good);
    hurry();
  } catch (caught) {
    say("told", caught.message, true);
    $("api-form").open = true;
  }
}

function drawTold(record) {
  const told = state.outcomes.filter((one) => one.leadgen_id === record.leadgen_id).slice(0, 4).reverse();
  return told.map((one) => h("span", {class: "tag " + (one.status !== null && one.status < 300 ? "good" : "bad"), dir: "auto"}, one.stage + " " + (one.status || "unanswered")));
}

function drawStages(record) {
  if (!state.api.ready) return null;
  return h("div", {class: "stages", role: "group", "aria-label": "Outcome of " + (record.data.full_name || record.leadgen_id)},
    STAGES.map(([stage, label]) => h("button", {type: "button", class: "plain", title: state.api.how_to, onclick: () => tell(record.leadgen_id, stage)}, label)), drawTold(record));
}

function drawDeal() {
  $("deal").hidden = chosen !== "crm" || !state.api.ready;
  $("deal-note").textContent = state.api.ready ? "Outcomes go to " + state.api.url + " as " + (state.api.connection || "no connection") + "." : state.api.how_to;
  $("api-url").placeholder = state.api.url;
}

async function connectApi() {
  const given = {api_key: $("api-key").value.trim(), ...($("api-url").value.trim() ? {api_url: $("api-url").value.trim()} : {})};
  try {
    await call("POST", "/_sandbox/settings", given);
    $("api-key").value = "";
    $("api-form").open = false;
    say("told", given.api_key ? "Now press a stage." : "The key is forgotten.");
    await poll();
  } catch (caught) {
    say("told", caught.message, true);
  }
}
