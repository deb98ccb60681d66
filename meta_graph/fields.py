"""Which fields are asked of Graph: always named, since the defaults leave most out. Source: Meta facts §5.1, §5.3, §6.2."""

LEAD_CORE = ("id", "created_time", "form_id", "field_data", "custom_disclaimer_responses", "is_organic", "platform")

# Names and ids of ads need ads_management and an advertiser's rights on the ad account (facts §5.1).
LEAD_AD = ("ad_id", "ad_name", "adset_id", "adset_name", "campaign_id", "campaign_name")
LEAD_MORE = ("partner_name", "retailer_item_id", "post", "vehicle", "home_listing")

LEAD_FIELDS = ",".join((*LEAD_CORE, *LEAD_AD, *LEAD_MORE))
LEAD_FIELDS_MINIMAL = ",".join(LEAD_CORE)

FORM_FIELDS = (
    "id,name,status,locale,page,created_time,questions,tracking_parameters,legal_content,privacy_policy_url,"
    "follow_up_action_url,allow_organic_lead,is_optimized_for_quality"
)
FORM_FIELDS_MINIMAL = "id,name,status,locale,questions"

PAGE_FORM_FIELDS = (
    "id,name,status,locale,created_time,leads_count,organic_leads_count,expired_leads_count,questions,"
    "tracking_parameters"
)
PAGE_FORM_FIELDS_MINIMAL = "id,name,status,locale,questions"

ACCOUNT_FIELDS = "id,name,access_token,tasks"
