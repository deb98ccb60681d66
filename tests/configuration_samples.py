"""A configuration with every table, the environment it needs, and its secrets (invented)."""

TOKEN = "EAAB0acmePageTokenInvented"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general"
MAIL = "mailtos://leadloop:hunter2hunter2@mail.example.com?to=sales@example.com"
DATASET_TOKEN = "EAAB0acmeDatasetTokenInvented"
ENVIRON = {
    "ACME_PAGE_TOKEN": TOKEN,
    "ACME_DATASET_TOKEN": DATASET_TOKEN,
    "CRM_SECRET": SECRET,
    "SALES_SLACK_URL": SLACK,
}
SECRETS = (TOKEN, SECRET, SLACK, MAIL, DATASET_TOKEN, "TIiajkdnlazkcOXrIdevi7FQ", "hunter2hunter2")

GOOD = """\
[[pages]]
id = "111111111111111"
name = "Acme İstanbul 🌷"
access_token = "$ACME_PAGE_TOKEN"
default_country = "TR"
business_country = "XK"
dataset_id = "900000000000001"

[[pages]]
id = "112"
access_token = "$ACME_PAGE_TOKEN"

[[connections]]
name = "crm"
adapter = "webhook"
settings = { url = "https://crm.example/leads", secret = "$CRM_SECRET" }

[[connections]]
name = "second"
adapter = "webhook"
[connections.settings]
url = "https://second.example/leads"
secret = "$CRM_SECRET"
headers = { "X-Team" = "$$literal" }

[[notifiers]]
name = "sales"
urls = ["$SALES_SLACK_URL", "<MAIL>"]
template = "New lead: {full_name} {phone} ({form_name}, {ad_name})"

[[routes]]
connections = ["crm"]
notifiers = ["sales"]

[[routes]]
pages = ["112"]
forms = ["333333333333333"]
connections = ["second"]

[[mappings]]
connection = "crm"
fields = { "first_name" = "{first_name}", "budget__c" = "{answers.which_services?}", "source" = "Meta lead ads" }

[[mappings]]
connection = "crm"
forms = ["333333333333333"]
[mappings.fields]
first_name = "{first_name}"
"a.b" = "{labels.budget}"

[[datasets]]
id = "900000000000001"
name = "Acme CRM"
access_token = "$ACME_DATASET_TOKEN"

[[datasets]]
id = "900000000000002"

[[funnels]]
connection = "crm"
dataset_id = "900000000000001"
stages = [
  { stage = "new",       event = "Raw Lead" },
  { stage = "qualified", event = "Lead" },
  { stage = "won",       event = "Purchase", value = "required" },
  { stage = "lost" },            # known, not sent
]

[[funnels]]
connection = "*"
dataset_id = "900000000000002"
route = "business_messaging"
advance_only = false
fill_skipped = true
when = { pipeline = "b2b", page = ["111111111111111", "112"] }
consent = ["optional_1"]
ldu_states = ["CA"]
stages = [
  { stage = "İlk görüşme", event = "LeadSubmitted", predicted_value = 1200.10, currency = "TRY" },
  { stage = "won", event = "Purchase", value = "required", fixed_value = "250.00", currency = "TRY", when = { owner = "7" } },
]
""".replace("<MAIL>", MAIL)

# The same with every secret in a variable, so that an export can say it again.
ALL_NAMED = (
    GOOD.replace(f'"{MAIL}"', '"$SALES_MAIL"')
    .replace("$$literal", "$TEAM")
    .replace("https://crm.example/leads", "$CRM_URL")
    .replace("https://second.example/leads", "$SECOND_URL")
)
NAMED_ENVIRON = ENVIRON | {
    "SALES_MAIL": MAIL,
    "TEAM": "$literal",
    "CRM_URL": "https://crm.example/leads",
    "SECOND_URL": "https://second.example/leads",
}
