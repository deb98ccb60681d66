"""A gender as a form or a CRM writes it becomes Meta's "f" or "m", or nothing."""

from functools import cache

from leadloop.texts import clean_text, fold

# Meta knows two values; an answer that is neither is not sent. The words are compared without case and accents.
_FEMALE = """
    f female woman girl lady she her mrs ms miss w weiblich frau mädchen femme féminin feminin fille madame mme
    femenino femenina mujer hembra señora feminino feminina mulher femmina femminile donna signora v vrouw vrouwelijk
    k kadın bayan kız dişi kvinna kvinnlig kvinde kvinne kvindelig kobieta żeńska żeński kobiece žena ženský ženské
    zena ženska nainen női femeie feminin γυναίκα θηλυκό θήλυ ж жен женский женщина женская жіноча жіночий жінка
    жена qadın ayol әйел أنثى انثى امرأة مؤنث נקבה אישה زن مونث महिला स्त्री মহিলা নারী عورت หญิง ผู้หญิง nữ phụ_nữ
    perempuan wanita babae 女 女性 女士 女生 여 여성 여자
"""
_MALE = """
    m male man boy he him mr männlich herr mann junge h homme masculin garçon monsieur masculino masculina hombre varón
    homem macho maschio maschile uomo signor man mannelijk heer e erkek bay man manlig mand mandlig mannlig mężczyzna
    męska męski muž mužský mužské muški muškarac mies férfi bărbat bărbătesc άνδρας αρσενικό άρρεν м муж мужской мужчина
    мужская чоловік чоловіча чоловічий мъж kişi erkak ер еркек ذكر رجل مذكر זכר גבר مرد مذکر पुरुष পুরুষ ชาย ผู้ชาย
    nam pria laki laki-laki lelaki lalaki 男 男性 先生 男生 남 남성 남자
"""
_EXACT = {"nő": "f"}  # Hungarian; without its accents it would be an English No


def normalise_gender(text: str) -> tuple[str, ...]:
    """("f",), ("m",), or () for anything else: Meta takes no third value."""
    text = clean_text(text).strip()
    found = _words().get(fold(text)) or _EXACT.get(text.lower())
    return (found,) if found else ()


@cache
def _words() -> dict[str, str]:
    return {fold(word): "f" for word in _FEMALE.split()} | {fold(word): "m" for word in _MALE.split()}
