"""A full name becomes first and last name, and the reverse. What we take from nameparser: docs/decisions/0010-names.md."""

from functools import cache

from nameparser import (
    FAMILY_FIRST,
    FAMILY_FIRST_GIVEN_LAST,
    Lexicon,
    ParsedName,
    Parser,
    PatronymicRule,
    Policy,
    Script,
)

_LONGEST = 200
_MOST_WORDS = 20
_HABITS = {
    "hu": "family first",
    "vi": "given last",
    "es": "two family names",
    "ca": "two family names",
    "gl": "two family names",
} | dict.fromkeys(("ru", "uk", "be", "kk", "ky", "uz", "az", "tk", "tg"), "patronymics")

# nameparser drops 812 words as titles, King, Prince and Judge among them, and 640 letter groups as degrees: right for
# a register of dignitaries, wrong for people who fill in a form. These are left.
_TITLE_WORDS = """
    mr mrs ms miss misses mx mister sir madam madame mme mlle mademoiselle monsieur dr doctor prof professor rev hon
    capt sgt lt herr herrn frau fräulein señor señora señorita sr sra srta dra senhor senhora senhorita signor signora
    signore signorina sig.ra sig.na dott dott.ssa prof.ssa univ.prof dipl.-ing ing mag mgr med phil jur rer nat habil
    dhr mevr mevrouw meneer hr fru herra rouva gospodin gospođa domnul doamna bapak bpk ibu encik engr atty arq lic av
    avv doç uzm op sayın д-р г-н г-жа пан пані проф δρ κα κος מר גברת גב' גב׳ ד"ר ד״ר פרופ' פרופ׳ פרופסור הרב
    دكتور دكتورة الدكتور الدكتورة أستاذ أستاذة الأستاذ الأستاذة مهندس श्री श्रीमती श्रीमान सुश्री डॉ डा डॉक्टर प्रो
    জনাব ডা ডাঃ ড ডঃ ডক্টর মিঃ মিসেস শ্রী শ্রীমতী"""
_DEGREE_WORDS = """
    phd md mba dds dvm dmd jd cpa rn np pharmd edd psyd llm msc bsc mphil dphil pmp cfa mbchb mbbch facs ma ba
    do"""
_TITLES = frozenset(_TITLE_WORDS.split())
# What follows a degree ("Dr. med.", "Mag. phil."), and elsewhere is a first name: Phil Collins, Nat King Cole, Med Trabelsi.
_AFTER_DEGREES = frozenset({"med", "phil", "jur", "rer", "nat", "habil"})
_BEFORE_THEM = frozenset({"dr", "doctor", "prof", "professor", "univ.prof", "mag", "dipl", "dipl.-ing"})
# Titles that are first names as well: with a dot, or before one, they are titles.
_TITLES_AND_NAMES = frozenset({"mag", "miss", "ing", "av", "op", "hon"})
_DEGREES = frozenset(_DEGREE_WORDS.split())
_NO_SUFFIX = frozenset({"i", "v", "2", "vet", "ret"})  # "Ramesh V" is an initial in half of India
_PARTICLES = frozenset({"el", "ben", "bou", "ould"})
_EAST_ASIAN = ((0x1100, 0x11FF), (0x3005, 0x3007), (0x3040, 0x30FF), (0x3400, 0x9FFF), (0xAC00, 0xD7A3))


def split_name(full_name: str, *, locale: str | None = None) -> tuple[str | None, str | None]:
    """(first name with middle names, last name) of a name in one line; None for a part that is not there.

    `locale` is the form's ("es_LA"): it says which part comes first where a language has such a habit (Hungarian,
    Vietnamese), that a Spanish name of four or more words ends with two family names, and where patronymics are
    expected. Particles stay with the last name; titles, degrees and nicknames are dropped; capitals stay as typed. A
    single word, and an East Asian name without a blank, is a first name: where it divides cannot be known. More than
    200 characters or 20 words are no name: (None, None).
    """
    words = full_name.split()
    if not words or len(full_name) > _LONGEST or len(words) > _MOST_WORDS:
        return None, None
    if len(words) == 1:
        return words[0], None
    habit = _HABITS.get((locale or "").replace("-", "_").split("_", 1)[0].lower(), "")
    if habit == "two family names" and len(words) < 4:
        habit = ""
    first, last = _first_and_last(_parser(habit).parse(full_name), given_last=habit == "given last")
    if _is_all_particles(first, last):
        return None, f"{first} {last}"
    if not first and not last:  # nothing but titles, or nothing but signs
        return " ".join(words), None
    return first, last


def join_name(first_name: str | None, last_name: str | None) -> str | None:
    """The full name of its two parts: the family name first and without a blank where both are in East Asian letters."""
    if first_name and last_name:
        east_asian = _is_east_asian(first_name) and _is_east_asian(last_name)
        return f"{last_name}{first_name}" if east_asian else f"{first_name} {last_name}"
    return first_name or last_name


def _first_and_last(name: ParsedName, *, given_last: bool) -> tuple[str | None, str | None]:
    kept = _names_among_titles(name)
    given = (kept, name.middle, name.given) if given_last else (kept, name.given, name.middle)
    first = " ".join(part for part in given if part)
    last = name.family
    if len(name.suffix) == 1:  # "Ravi Kumar V" has an initial; a fifth of his name loses nothing
        last = f"{last} {name.suffix}".strip()
    elif first and not last and name.suffix.lower() in _lexicon().suffix_acronyms_ambiguous:
        last = name.suffix  # "Jack MA" is Mr Ma sooner than a Master of Arts
    return first or None, last or None


def _names_among_titles(name: ParsedName) -> str:
    """What nameparser takes for titles and is none: "Ma. Teresa", "Md. Rahim", "Phil Collins", "Miss Jones"."""
    words = name.title.split()
    lower = str(name).islower()
    kept = []
    degree = False
    for word in words:
        plain = _plain(word)
        if plain in _AFTER_DEGREES:
            dropped = degree and (word.endswith(".") or (word.islower() and not lower))
        else:
            dropped = plain in _TITLES or plain in _lexicon().conjunctions
            degree = plain in _BEFORE_THEM
        if not dropped:
            kept.append(word)
    if not kept and not name.given and not name.middle:
        kept = [word for word in words if "." not in word and _plain(word) in _TITLES_AND_NAMES][-1:]
    return " ".join(kept)


def _plain(word: str) -> str:
    return word.lower().rstrip(".,")


def _is_all_particles(first: str | None, last: str | None) -> bool:
    """ "van der Berg", "von Trapp": a last name alone, that begins with a word which may also be a first name."""
    particles = _lexicon().particles
    if not first or not last or first.lower() not in particles:
        return False
    return last.split()[0].lower() in particles or (first.islower() and not last.islower())


def _is_east_asian(text: str) -> bool:
    return all(
        ord(letter) >= 0x20000 or any(low <= ord(letter) <= high for low, high in _EAST_ASIAN) for letter in text
    )


@cache
def _lexicon() -> Lexicon:
    known = Lexicon.default()
    degrees_in_doubt = known.suffix_acronyms_ambiguous - _DEGREES
    return (
        known.remove(titles=known.titles - _TITLES, suffix_acronyms_ambiguous=degrees_in_doubt, suffix_words=_NO_SUFFIX)
        .remove(suffix_acronyms=known.suffix_acronyms - _DEGREES)
        .add(titles=_TITLES, particles=_PARTICLES, particles_ambiguous={"ben"})
    )


@cache
def _parser(habit: str) -> Parser:
    """An immutable parser of our own: nameparser's defaults, which others may change, are neither used nor touched."""
    whole = frozenset[Script]()
    policies = {
        "": Policy(segment_scripts=whole),
        "family first": Policy(segment_scripts=whole, name_order=FAMILY_FIRST),
        "given last": Policy(segment_scripts=whole, name_order=FAMILY_FIRST_GIVEN_LAST),
        "two family names": Policy(segment_scripts=whole, two_family_names=True),
        "patronymics": Policy(segment_scripts=whole, patronymic_rules=frozenset(PatronymicRule)),
    }
    return Parser(_lexicon(), policies[habit])
