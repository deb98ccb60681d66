"""What an answer is by its name alone, for forms that we could not read: Meta's standard names in many languages.

Meta names an answer after its question, in the language of the form ("nom_complet", "adı_soyadı"). Only exact names
count: "company_you_want_to_insure" is a question of its own. Source: Meta ingestion facts §5.3, read 2026-11-22.
"""

from functools import cache

from leadloop.texts import fold

# "NAME" may be the whole name or one of its parts; the other answers decide (see person.py).
_NAMES = {
    "FULL_NAME": """full name, fullname, your name, your full name, name and surname, name surname, first and last name,
        nom complet, nom et prénom, prénom et nom, nom prénom, nombre completo, nombre y apellido, nombre y apellidos,
        nombres y apellidos, nome completo, nome e sobrenome, nome e cognome, cognome e nome, nome e apelido,
        ad soyad, adı soyadı, ad ve soyad, adınız soyadınız, tam ad, tam adı, isim soyisim, nama lengkap, nama penuh,
        vollständiger name, vor- und nachname, vorname und nachname, volledige naam, voor- en achternaam,
        imię i nazwisko, pełne imię i nazwisko, nume complet, nume și prenume, полное имя, имя и фамилия, фио,
        повне ім'я, ім'я та прізвище, пълно име, ονοματεπώνυμο, teljes név, celé jméno, jméno a příjmení, celé meno,
        meno a priezvisko, ime i prezime, puno ime, ime in priimek, fullständigt namn, för- och efternamn,
        fulde navn, fullt navn, koko nimi, الاسم الكامل, الاسم بالكامل, שם מלא, نام کامل, पूरा नाम, পুরো নাম, họ và tên,
        họ tên, tên đầy đủ, ชื่อ-นามสกุล, ชื่อเต็ม, 氏名, お名前, 姓名, 全名, 성명, 전체 이름""",
    "NAME": """name, nom, nombre, nome, isim, ad, adı, adınız, nama, naam, nume, имя, ім'я, име, όνομα, név, jméno, meno,
        ime, namn, navn, nimi, الاسم, שם, نام, नाम, নাম, tên, ชื่อ, 名前, 名字, 이름, imię""",
    "FIRST_NAME": """first name, firstname, given name, forename, prénom, primer nombre, primeiro nome, nome próprio,
        ilk ad, ilk isim, nama depan, vorname, voornaam, prenume, keresztnév, křestní jméno, krstné meno, förnamn,
        fornavn, etunimi, الاسم الأول, שם פרטי, पहला नाम, ชื่อจริง""",
    "LAST_NAME": """last name, lastname, surname, family name, nom de famille, apellido, apellidos, sobrenome, apelido,
        cognome, soyad, soyadı, soyadınız, soyisim, nama belakang, nama keluarga, nachname, familienname, achternaam,
        nazwisko, nume de familie, фамилия, прізвище, фамилно име, επώνυμο, vezetéknév, příjmení, priezvisko, prezime,
        priimek, efternamn, efternavn, etternavn, sukunimi, اسم العائلة, اللقب, שם משפחה, نام خانوادگی, उपनाम, họ,
        นามสกุล, 姓, 성""",
    "EMAIL": """email, e-mail, mail, email address, e-mail address, your email, adresse email, adresse e-mail,
        adresse mail, courriel, adresse électronique, correo, correo electrónico, dirección de correo electrónico,
        endereço de email, endereço de e-mail, correio eletrónico, eposta, e-posta, eposta adresi, e-posta adresi,
        e-posta adresiniz, alamat email, surel, emel, e-mail-adresse, indirizzo email, indirizzo e-mail, posta elettronica,
        e-mailadres, adres email, adres e-mail, adresă de e-mail, адрес электронной почты, электронная почта, почта,
        електронна пошта, имейл, ηλεκτρονικό ταχυδρομείο, e-mail cím, e-mailová adresa, e-postadress, e-mailadresse,
        e-postadresse, sähköposti, sähköpostiosoite, البريد الإلكتروني, דוא"ל, אימייל, כתובת דוא"ל, ایمیل, ईमेल, ইমেল,
        địa chỉ email, อีเมล, メール, メールアドレス, 邮箱, 电子邮件, 電子郵件, 이메일""",
    "WORK_EMAIL": """work email, business email, company email, email professionnel, adresse e-mail professionnelle,
        correo electrónico del trabajo, correo de trabajo, correo corporativo, email corporativo, email profissional,
        e-mail comercial, iş e-postası, kurumsal e-posta, email kantor, email bisnis, geschäftliche e-mail-adresse,
        email aziendale, email di lavoro, zakelijk e-mailadres, służbowy adres e-mail, рабочая почта""",
    "PHONE": """phone, phone number, telephone, telephone number, mobile, mobile number, mobile phone, cell, cell phone,
        contact number, tel, téléphone, numéro de téléphone, numéro de portable, téléphone portable, teléfono,
        número de teléfono, celular, número de celular, móvil, teléfono móvil, telefone, número de telefone,
        número de telemóvel, telemóvel, telefon, telefon numarası, telefon numaranız, cep telefonu, cep telefonu numarası,
        gsm, nomor telepon, nomor hp, no hp, no telepon, telepon, nombor telefon, telefonnummer, handynummer, rufnummer,
        mobilnummer, telefono, numero di telefono, cellulare, numero di cellulare, telefoonnummer, mobiel nummer,
        numer telefonu, număr de telefon, телефон, номер телефона, номер телефону, телефонен номер, τηλέφωνο,
        αριθμός τηλεφώνου, telefonszám, telefonní číslo, telefónne číslo, broj telefona, telefonska številka,
        puhelinnumero, رقم الهاتف, رقم الجوال, رقم الموبايل, מספר טלפון, טלפון, شماره تلفن, फ़ोन नंबर, फोन नंबर, ফোন নম্বর,
        số điện thoại, หมายเลขโทรศัพท์, เบอร์โทรศัพท์, 電話番号, 电话号码, 手机号码, 電話號碼, 電話, 전화번호, 휴대폰 번호""",
    "WHATSAPP_NUMBER": """whatsapp, whatsapp number, number whatsapp, numéro whatsapp, número de whatsapp, whatsapp numarası,
        nomor whatsapp, no whatsapp, nomor wa, whatsapp-nummer, numero whatsapp, номер whatsapp, رقم الواتساب""",
    "WORK_PHONE_NUMBER": """work phone, work phone number, business phone, office phone, téléphone professionnel,
        numéro de téléphone professionnel, teléfono del trabajo, teléfono de trabajo, telefone comercial,
        telefone do trabalho, iş telefonu, telepon kantor, geschäftliche telefonnummer, telefono di lavoro,
        telefono aziendale, zakelijk telefoonnummer, рабочий телефон""",
    "CITY": """city, town, ville, ciudad, localidad, cidade, şehir, kota, stadt, ort, wohnort, città, comune, stad,
        woonplaats, miasto, oraș, город, місто, град, πόλη, város, město, mesto, grad, kaupunki, المدينة, עיר, شهر, शहर,
        শহর, thành phố, เมือง, 市区町村, 城市, 도시""",
    "STATE": """state, province, region, région, estado, provincia, departamento, província, il, eyalet, provinsi, negeri,
        bundesland, regione, provincie, województwo, județ, область, регион, vármegye, län, المحافظة, المنطقة, राज्य,
        tỉnh, จังหวัด, 都道府県, 省, 省份""",
    "COUNTRY": """country, pays, país, ülke, negara, land, paese, nazione, kraj, țară, страна, країна, държава,
        χώρα, ország, země, krajina, zemlja, država, maa, الدولة, البلد, מדינה, ארץ, کشور, देश, দেশ, quốc gia, ประเทศ,
        国, 国家, 國家, 국가""",
    "POST_CODE": """zip, zip code, postcode, post code, postal code, code postal, código postal, cep, posta kodu, kode pos,
        poskod, postleitzahl, plz, cap, codice postale, codice di avviamento postale, kod pocztowy, cod poștal,
        почтовый индекс, поштовий індекс, индекс, пощенски код, ταχυδρομικός κώδικας, irányítószám, psč, poštovní směrovací
        číslo, poštanski broj, poštna številka, postnummer, postinumero, الرمز البريدي, מיקוד, पिन कोड, mã bưu điện,
        รหัสไปรษณีย์, 郵便番号, 邮政编码, 郵遞區號, 우편번호""",
    "STREET_ADDRESS": """street address, address, street, adresse, adresse postale, rue, dirección, domicilio, calle,
        endereço, morada, adres, adresi, açık adres, sokak adresi, alamat, alamat jalan, straße, anschrift, indirizzo, via,
        straat, straatnaam, ulica, adresă, адрес, адреса, улица, διεύθυνση, cím, adresa, ulice, naslov, adress, gatuadress,
        gateadresse, osoite, العنوان, כתובת, पता, ঠিকানা, địa chỉ, ที่อยู่, 住所, 地址, 주소""",
    "DOB": """date of birth, birth date, birthdate, birthday, dob, date de naissance, fecha de nacimiento,
        data de nascimento, doğum tarihi, doğum tarihiniz, tanggal lahir, tarikh lahir, geburtsdatum, geburtstag,
        data di nascita, geboortedatum, data urodzenia, data nașterii, дата рождения, дата народження, дата на раждане,
        ημερομηνία γέννησης, születési dátum, datum narození, dátum narodenia, datum rođenja, födelsedatum, fødselsdato,
        syntymäaika, تاريخ الميلاد, תאריך לידה, जन्म तिथि, जन्मतिथि, ngày sinh, วันเกิด, 生年月日, 出生日期, 생년월일""",
    "GENDER": """gender, sex, sexe, genre, sexo, género, gênero, cinsiyet, cinsiyetiniz, jenis kelamin, jantina, geschlecht,
        sesso, genere, geslacht, płeć, пол, стать, φύλο, nem, pohlaví, spol, kön, køn, kjønn, sukupuoli, الجنس, מגדר, लिंग,
        giới tính, เพศ, 性別, 性别, 성별""",
    "COMPANY_NAME": """company, company name, business name, organization, organisation, entreprise, nom de l'entreprise,
        société, nom de la société, empresa, nombre de la empresa, nome da empresa, şirket, şirket adı, şirketiniz, firma,
        firma adı, perusahaan, nama perusahaan, syarikat, unternehmen, firmenname, name des unternehmens, azienda,
        nome dell'azienda, nome azienda, bedrijf, bedrijfsnaam, nazwa firmy, companie, numele companiei, компания,
        название компании, компанія, фирма, εταιρεία, cégnév, společnost, název firmy, spoločnosť, tvrtka, podjetje,
        företag, företagsnamn, firmanavn, yritys, الشركة, اسم الشركة, חברה, שם החברה, कंपनी, công ty, tên công ty, บริษัท,
        会社名, 公司, 公司名称, 회사명""",
    "JOB_TITLE": """job title, job, position, role, occupation, profession, intitulé du poste, poste, fonction, métier,
        puesto, cargo, puesto de trabajo, profesión, profissão, iş unvanı, unvan, meslek, pozisyon, jabatan, pekerjaan,
        berufsbezeichnung, beruf, position im unternehmen, qualifica, mansione, posizione lavorativa, professione, functie,
        functietitel, stanowisko, funcție, должность, посада, длъжност, θέση εργασίας, beosztás, pozice, pracovní pozice,
        titel, stilling, tehtävänimike, المسمى الوظيفي, תפקיד, पद, chức vụ, ตำแหน่งงาน, 役職, 职位, 職稱, 직책""",
}


def find_type_by_name(name: str) -> str | None:
    """The question type ("EMAIL", "CITY" …) of an answer called `name`, or None when the name is no standard one."""
    return _types().get(_key(name))


def _key(name: str) -> str:
    return fold(name).replace("_", "")


@cache
def _types() -> dict[str, str]:
    return {_key(name): type_ for type_, names in _NAMES.items() for name in " ".join(names.split()).split(", ")}
