import pytest

from leadloop.field_names import find_type_by_name


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("full_name", "FULL_NAME"), ("first_name", "FIRST_NAME"), ("last_name", "LAST_NAME"), ("email", "EMAIL"),
        ("phone_number", "PHONE"), ("work_email", "WORK_EMAIL"), ("work_phone_number", "WORK_PHONE_NUMBER"),
        ("city", "CITY"), ("state", "STATE"), ("country", "COUNTRY"), ("post_code", "POST_CODE"), ("zip_code", "POST_CODE"),
        ("street_address", "STREET_ADDRESS"), ("date_of_birth", "DOB"), ("gender", "GENDER"),
        ("company_name", "COMPANY_NAME"), ("job_title", "JOB_TITLE"), ("FULL_NAME", "FULL_NAME"), ("Zip Code", "POST_CODE"),
        ("nom_complet", "FULL_NAME"), ("numéro_de_téléphone", "PHONE"), ("nume\u0301ro_de_te\u0301le\u0301phone", "PHONE"),
        ("e-mail", "EMAIL"), ("code_postal", "POST_CODE"), ("nom_de_l'entreprise", "COMPANY_NAME"),
        ("nombre_completo", "FULL_NAME"), ("correo_electrónico", "EMAIL"), ("número_de_teléfono", "PHONE"),
        ("apellidos", "LAST_NAME"), ("nome_completo", "FULL_NAME"), ("sobrenome", "LAST_NAME"), ("telefone", "PHONE"),
        ("adı_soyadı", "FULL_NAME"), ("ADI SOYADI", "FULL_NAME"), ("telefon_numarası", "PHONE"), ("e-posta", "EMAIL"),
        ("şehir", "CITY"), ("ülke", "COUNTRY"), ("İl", "STATE"), ("nama_lengkap", "FULL_NAME"), ("nomor_telepon", "PHONE"),
        ("kota", "CITY"), ("vollständiger_name", "FULL_NAME"), ("telefonnummer", "PHONE"), ("postleitzahl", "POST_CODE"),
        ("nome_e_cognome", "FULL_NAME"), ("numero_di_telefono", "PHONE"), ("città", "CITY"), ("имя_и_фамилия", "FULL_NAME"),
        ("الاسم_الكامل", "FULL_NAME"), ("電話番号", "PHONE"), ("पूरा_नाम", "FULL_NAME"),
        ("name", "NAME"), ("nom", "NAME"), ("nombre", "NAME"),
    ],
)  # fmt: skip
def test_standard_names(name: str, type_: str) -> None:
    assert find_type_by_name(name) == type_


@pytest.mark.parametrize(
    "name", ["", "?", "budget", "city_you_want_to_visit", "email_me?_yes", "company_size", "x" * 5000]
)
def test_other_names(name: str) -> None:
    assert find_type_by_name(name) is None
