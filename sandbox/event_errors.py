"""How the events edge refuses: subcodes and titles in English, Turkish and French. Source: Meta conversions facts §1.6, §1.7.

Meta answers in the language of the token's owner, so that only code and subcode tell what happened. Subcodes from
2804901 on are made up: Meta refuses these events too, but its numbers for them are not known to us (facts §14).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sandbox.graph_errors import GraphError

Language = Literal["en", "tr", "fr"]
LANGUAGES: tuple[Language, ...] = ("en", "tr", "fr")
Reason = Literal[
    "too_old",
    "purchase_without_value",
    "customer_information",
    "messaging_event_name",
    "unknown_ctwa_clid",
    "restricted_region",
    "unknown_lead",
    "hash_form",
    "action_source",
    "in_the_future",
    "missing_parameter",
    "wrong_parameter",
    "currency",
]


@dataclass(frozen=True)
class Problem:
    """Why an event is refused. `detail` is ours, for people: field names and rules, never a value that was sent."""

    reason: Reason
    detail: str


INVALID: Mapping[Language, str] = {"en": "Invalid parameter", "tr": "Geçersiz parametre", "fr": "Paramètre non valide"}
SUBCODES: Mapping[Reason, int] = {
    "too_old": 2804003,
    "purchase_without_value": 2804009,
    "customer_information": 2804050,
    "messaging_event_name": 2804066,
    "unknown_ctwa_clid": 2804087,
    "restricted_region": 2804901,
    "unknown_lead": 2804902,
    "hash_form": 2804903,
    "action_source": 2804904,
    "in_the_future": 2804905,
    "missing_parameter": 2804906,
    "wrong_parameter": 2804907,
    "currency": 2804908,
}
TEXTS: Mapping[Reason, Mapping[Language, tuple[str, str]]] = {
    "too_old": {
        "en": ("Event Timestamp Too Old", "The timestamp for this event is too far in the past."),
        "tr": ("Olay Zaman Damgası Çok Eski", "Bu olayın zaman damgası çok geçmişte kalıyor."),
        "fr": ("Horodatage de l’évènement trop ancien", "L’horodatage de cet évènement remonte à trop longtemps."),
    },
    "purchase_without_value": {
        "en": ("Missing Value for Purchase Event", "Your purchase event has no value. Send a value with it."),
        "tr": ("Satın Alma Olayında Değer Eksik", "Satın alma olayınızda değer yok. Olayı bir değerle gönderin."),
        "fr": ("Valeur manquante pour l’évènement d’achat", "Votre évènement d’achat n’a pas de valeur. Ajoutez-la."),
    },
    "customer_information": {
        "en": (
            "Insufficient Customer Information",
            "The customer information of this event is missing or too broad to be matched. Send more parameters.",
        ),
        "tr": (
            "Müşteri Bilgileri Yetersiz",
            "Bu olayın müşteri bilgileri eksik ya da eşleştirilemeyecek kadar geniş. Daha fazla parametre gönderin.",
        ),
        "fr": (
            "Informations client insuffisantes",
            "Les informations client de cet évènement manquent ou sont trop larges. Envoyez davantage de paramètres.",
        ),
    },
    "messaging_event_name": {
        "en": ("Messaging Event Invalid Event Type", "This event name cannot be used for business messaging."),
        "tr": ("Mesajlaşma Olayı Geçersiz Olay Türü", "Bu olay adı işletme mesajlaşmasında kullanılamaz."),
        "fr": ("Type d’évènement de messagerie non valide", "Ce nom d’évènement est exclu de la messagerie."),
    },
    "unknown_ctwa_clid": {
        "en": ("Messaging Event Invalid Ctwa Clid", "The ctwa_clid does not belong to a click on an ad."),
        "tr": ("Mesajlaşma Olayı Geçersiz Ctwa Clid", "ctwa_clid bir reklam tıklamasına ait değil."),
        "fr": ("Ctwa Clid de l’évènement non valide", "Le ctwa_clid ne correspond à aucun clic sur une publicité."),
    },
    "restricted_region": {
        "en": (
            "Messaging Event Within Messaging Restrictive Region",
            "Messaging events cannot be shared for this Page or account because of its region.",
        ),
        "tr": (
            "Kısıtlanmış Bölgede Mesajlaşma Olayı",
            "Bu Sayfa veya hesap için bölgesi nedeniyle mesajlaşma olayları paylaşılamaz.",
        ),
        "fr": (
            "Évènement de messagerie dans une région restreinte",
            "Les évènements de messagerie de cette Page ou de ce compte sont exclus en raison de sa région.",
        ),
    },
    "unknown_lead": {
        "en": ("Invalid Lead ID", "The lead_id of this event does not belong to a lead."),
        "tr": ("Geçersiz Potansiyel Müşteri Kimliği", "Bu olayın lead_id değeri bir potansiyel müşteriye ait değil."),
        "fr": ("ID de prospect non valide", "Le lead_id de cet évènement ne correspond à aucun prospect."),
    },
    "hash_form": {
        "en": ("Invalid Hash", "Customer information must be hashed with SHA-256."),
        "tr": ("Geçersiz Karma", "Müşteri bilgileri SHA-256 ile karma haline getirilmelidir."),
        "fr": ("Hachage non valide", "Les informations client doivent être hachées avec SHA-256."),
    },
    "action_source": {
        "en": ("Invalid Action Source", "The action_source is missing or not one of the values allowed."),
        "tr": ("Geçersiz İşlem Kaynağı", "action_source eksik veya izin verilen değerlerden biri değil."),
        "fr": ("Source de l’action non valide", "L’action_source manque ou ne fait pas partie des valeurs admises."),
    },
    "in_the_future": {
        "en": ("Event Timestamp in the Future", "The timestamp for this event lies in the future."),
        "tr": ("Olay Zaman Damgası Gelecekte", "Bu olayın zaman damgası gelecekte."),
        "fr": ("Horodatage de l’évènement dans le futur", "L’horodatage de cet évènement se situe dans le futur."),
    },
    "missing_parameter": {
        "en": ("Missing Parameter", "This event lacks a parameter that is required."),
        "tr": ("Eksik Parametre", "Bu olayda zorunlu bir parametre eksik."),
        "fr": ("Paramètre manquant", "Il manque à cet évènement un paramètre obligatoire."),
    },
    "wrong_parameter": {
        "en": ("Invalid Parameter Value", "A parameter of this event has a value of the wrong kind."),
        "tr": ("Geçersiz Parametre Değeri", "Bu olayın bir parametresinin değeri yanlış türde."),
        "fr": ("Valeur de paramètre non valide", "Un paramètre de cet évènement a une valeur du mauvais type."),
    },
    "currency": {
        "en": ("Invalid Currency", "The currency is missing or no currency of ISO 4217."),
        "tr": ("Geçersiz Para Birimi", "Para birimi eksik veya ISO 4217 para birimi değil."),
        "fr": ("Devise non valide", "La devise manque ou n’est pas une devise de la norme ISO 4217."),
    },
}


class EventRefused(GraphError):
    """An event is wrong, and with it the whole batch. As at Meta, the answer does not say which event it is."""

    def __init__(self, reason: Reason, language: Language) -> None:
        super().__init__(400, 100, INVALID[language], subcode=SUBCODES[reason])
        self.user_title, self.user_msg = TEXTS[reason][language]

    def to_json(self, fbtrace_id: str) -> dict[str, Any]:
        error = super().to_json(fbtrace_id)["error"]
        return {
            "error": error
            | {
                "is_transient": False,
                "error_user_title": self.user_title,
                "error_user_msg": self.user_msg,
                "error_data": {"blame_field_specs": [["data"]]},
            }
        }


def find_reason(code: int, subcode: int | None) -> Reason | None:
    """The reason behind a code and subcode, None when the edge refuses nothing that way."""
    return next((reason for reason, number in SUBCODES.items() if code == 100 and number == subcode), None)
