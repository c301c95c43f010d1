"""Which columns are about people, so that a value which few rows hold could point at one person.

A column's header decides where it leaves no doubt (a job title, an employer, a remark); a milder one (postcode, job,
religion) decides beside other signs that a row is a person. What the values hold decides for names, and in a table about
people for open vocabularies, in which most rows hold a value of their own. Headers that speak of things (product, site,
status, country) are never about people, whoever else the table speaks of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from synth.linear import whole, within
from synth.schema import Column
from synth.schema.pii import DEPENDENT, first_names, words_of

NUMBER, WORD, LONG_WORD = within("[0-9]+"), within(r"[^\W\d_]+"), within(r"[^\W\d_]{4}")
SOLID_NAME = whole("[\u2e80-\ud7ff]{2,4}")
"""A name in a script without blanks between words."""
PERSONAL = {
    "a job": (
        "job title, job role, occupation, occupations, profession, beruf, berufsbezeichnung, berufsgruppe, tätigkeit, "
        "stellenbezeichnung, dienstgrad, métier, metier, profesión, profesion, ocupación, ocupacion, puesto de trabajo, "
        "professione, mestiere, occupazione, beroep, beroepsgroep, functietitel, yrke, yrkestitel, stilling, "
        "stillingstittel, ammatti, zawód, zawod, stanowisko, profissão, profissao, ocupação, meslek, povolání, "
        "foglalkozás, профессия, должность, 职业, 职位, 職業, 役職, 직업, المهنة, الوظيفة"
    ),
    "an employer": (
        "employer, employer name, arbeitgeber, employeur, empleador, datore di lavoro, werkgever, arbetsgivare, "
        "arbeidsgiver, arbejdsgiver, pracodawca, empregador, работодатель, 雇主, 勤務先"
    ),
    "a date or place of birth": (
        "birthplace, place of birth, birth place, city of birth, date of birth, birth date, birthdate, geburtsort, "
        "geburtsdatum, lieu de naissance, date de naissance, lugar de nacimiento, fecha de nacimiento, luogo di nascita, "
        "data di nascita, geboorteplaats, geboortedatum, födelseort, fødested, miejsce urodzenia, naturalidade, "
        "место рождения, 出生地, 籍贯, hometown, home town, heimatort"
    ),
}
"""What a header says by itself, in any table."""
BESIDE_PEOPLE = {
    "a job": (
        "job, position, rank, job description, funktion, stelle, stellung, emploi, poste, fonction, puesto, cargo, oficio, "
        "trabajo, lavoro, impiego, ruolo, functie, työ, praca, trabalho, emprego, función, работа, 工作, 仕事"
    ),
    "an employer": "company, firma, workplace, arbeitsplatz, société, entreprise, empresa, azienda, bedrijf, 会社, 公司",
    "a date or place of birth": (
        "birth, born, birthday, geboren, geburt, geburtstag, naissance, nacimiento, nascita, geboorte, née, né, 生日"
    ),
    "where somebody lives": (
        "zip, zip code, zipcode, postcode, post code, postal code, postalcode, plz, postleitzahl, code postal, "
        "código postal, codigo postal, cap, codice postale, postnummer, postnr, kod pocztowy, cep, psč, irányítószám, "
        "почтовый индекс, индекс, 邮编, 邮政编码, 郵便番号, 우편번호, الرمز البريدي, city, town, village, stadt, wohnort, ort, "
        "gemeinde, ville, commune, ciudad, localidad, municipio, città, comune, paese, woonplaats, plaats, stad, "
        "gemeente, kommun, poststed, paikkakunta, miasto, miejscowość, cidade, şehir, город, 城市, 市区町村, "
        "street, strasse, straße, rue, calle, via, straat, neighborhood, neighbourhood, parish, address, adresse"
    ),
    "health, belief or origin": (
        "diagnosis, diagnoses, disease, illness, condition, medical condition, disability, medication, icd, icd10, "
        "icd code, diagnose, diagnosen, krankheit, erkrankung, behinderung, diagnostic, maladie, diagnóstico, "
        "diagnostico, enfermedad, diagnosi, malattia, diagnos, sjukdom, sygdom, choroba, rozpoznanie, doença, диагноз, "
        "болезнь, 诊断, 診断, 病名, التشخيص, religion, faith, denomination, konfession, religión, religione, religie, "
        "ethnicity, ethnic group, ethnic origin, ethnie, etnia, race, tribe, caste, religia, религия, 宗教, 民族, "
        "sexual orientation, political party, party membership"
    ),
}
"""What a header says where rows are people."""
REMARKS = (
    "comment, comments, remark, remarks, note, notes, feedback, free text, freetext, answer, answers, response, opinion, "
    "suggestion, suggestions, review, message, reason, bemerkung, bemerkungen, kommentar, kommentare, anmerkung, "
    "anmerkungen, freitext, antwort, rückmeldung, notiz, grund, begründung, commentaire, commentaires, remarque, "
    "remarques, réponse, avis, motif, comentario, comentarios, observaciones, observación, respuesta, opinión, motivo, "
    "commento, commenti, osservazioni, nota, risposta, opmerking, opmerkingen, toelichting, antwoord, reden, kommentarer, "
    "svar, anteckning, bemærkning, merknad, kommentti, vastaus, uwagi, komentarz, odpowiedź, observação, observações, "
    "resposta, yorum, комментарий, примечание, ответ, 备注, 评论, 回答, コメント, 備考, 感想, ملاحظات, تعليق"
)
"""Headers of answers in somebody's own words, where the values are many."""
HOLDERS = (
    "author, teacher, doctor, physician, nurse, driver, agent, owner, manager, supervisor, director, coach, player, judge, "
    "artist, actor, singer, writer, seller, buyer, client, customer, contact, tenant, landlord, therapist, lawyer, "
    "autor, lehrer, lehrerin, arzt, fahrer, besitzer, leiter, trainer, spieler, kunde, verkäufer, mieter, auteur, "
    "enseignant, médecin, conducteur, client, joueur, profesor, médico, conductor, cliente, jugador, dueño, autore, "
    "insegnante, medico, autista, giocatore, leraar, arts, eigenaar, klant, speler, автор, врач, учитель, клиент, "
    "name, naam, nom, nombre, nome, navn, namn, nimi, imię, имя, 姓名, 氏名, 名前, 이름, الاسم"
)
"""Headers of somebody's name, where the values are written like names."""
PEOPLE = (
    "sex, gender, age, age years, age group, marital status, civil status, nationality, citizenship, patient, patient id, "
    "employee, employee id, student, student id, passenger, person, respondent, participant, pupil, height cm, "
    "education level, income, salary, wage, years of experience, seniority, age in years, "
    "geschlecht, alter, altersgruppe, familienstand, staatsangehörigkeit, nationalität, patientin, mitarbeiter, "
    "mitarbeiterin, schüler, student, gehalt, einkommen, sexe, genre, âge, état civil, etat civil, nationalité, salarié, "
    "élève, salaire, revenu, sexo, género, genero, edad, estado civil, nacionalidad, paciente, empleado, alumno, salario, "
    "sueldo, sesso, genere, età, eta, stato civile, nazionalità, paziente, dipendente, studente, stipendio, geslacht, "
    "leeftijd, burgerlijke staat, nationaliteit, patiënt, medewerker, leerling, salaris, kön, ålder, civilstånd, kjønn, "
    "køn, alder, sukupuoli, ikä, płeć, plec, wiek, pensja, idade, gênero, salário, cinsiyet, yaş, maaş, pohlaví, věk, "
    "nem, életkor, пол, возраст, зарплата, пациент, сотрудник, 性别, 年龄, 工资, 患者, 員工, 性別, 年齢, 給料, 社員, 성별, "
    "나이, الجنس, العمر, الراتب"
)
"""Headers of what only people have: one of them, and a row is taken for a person."""
THINGS = (
    "product, item, article, artikel, produkt, produit, producto, prodotto, produto, ware, goods, sku, stock code, "
    "part, component, bauteil, teil, pièce, pieza, model, brand, marke, marque, marca, modell, modèle, modelo, material, category, kategorie, catégorie, categoría, "
    "categoria, type, typ, kind, class, group, site, station, store, shop, branch, filiale, standort, werk, plant, "
    "warehouse, lager, magasin, tienda, negozio, winkel, department, abteilung, service, device, machine, sensor, status, "
    "state, zustand, statut, état, estado, stato, country, land, pays, país, pais, paese, region, bundesland, province, "
    "provinz, county, currency, währung, devise, moneda, colour, color, farbe, couleur, size, unit, language, sprache, "
    "channel, source, method, reaction, species, 产品, 商品, 製品, 国家, 国, 状态, 状態, 店舗, المنتج, البلد, товар, страна, "
    "статус"
)
"""Headers of things, which are about nobody in particular."""
OPEN = 0.5
"""In a table about people, a column is an open vocabulary when so large a share of its rows hold a value of their own."""
SOLID = 0x2E80
"""From this character on scripts write words without blanks between them."""
MANY_RARE = 5
"""Different rare values, at least, of answers in somebody's own words."""


def _phrases(text: str) -> frozenset[str]:
    return frozenset(text.split(", "))


_PERSONAL = {phrase: what for what, text in PERSONAL.items() for phrase in _phrases(text)}
_BESIDE = {phrase: what for what, text in BESIDE_PEOPLE.items() for phrase in _phrases(text)}
_REMARKS, _HOLDERS, _PEOPLE, _THINGS = map(_phrases, (REMARKS, HOLDERS, PEOPLE, THINGS))


def about_people(columns: Sequence[Column], levels: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
    """What about people each category column holds, in words; columns about things are left out.

    `levels`: of each category column, how many rows hold each of its values.
    """
    rows_are_people = any(_says_person(column) for column in columns)
    found = {}
    for column in columns:
        if column.kind == "category" and (what := _what(column, levels.get(column.name, {}), rows_are_people)):
            found[column.name] = what
    return found


def _says_person(column: Column) -> bool:
    """Whether a column says that the table's rows are people."""
    if column.pii and column.pii not in (*DEPENDENT, "ip"):
        return True
    words = words_of(column.name)
    return words in _PEOPLE or words in _PERSONAL or bool(_held(words, (*_PEOPLE, *_PERSONAL)))


def _what(column: Column, levels: Mapping[str, int], rows_are_people: bool) -> str:
    """What about people the column holds; empty: it is about things."""
    if column.pii and (rows_are_people or column.pii not in DEPENDENT):
        return "personal data"
    rows = sum(levels.values())
    if not rows:
        return ""
    words = words_of(column.name)
    if what := _said(words, _PERSONAL):
        return what
    if rows_are_people and (what := _said(words, _BESIDE)):
        return what
    rare = sum(count < 5 for count in levels.values())
    if _among(words, _REMARKS) and rare >= MANY_RARE and rare >= 0.1 * len(levels):
        return "answers in somebody's own words"
    if _among(words, _HOLDERS) and _look_like_names(levels):
        return "names"
    if _among(words, _THINGS) or not rows_are_people:
        return ""
    alone = sum(count for count in levels.values() if count == 1)
    is_open = rare >= MANY_RARE and alone >= OPEN * rows and not _measures(levels)
    return "values of one person each" if is_open else ""


def _said(words: str, phrases: Mapping[str, str]) -> str:
    """What the phrase says that the header is, ends with or (a long word) holds."""
    tokens = words.split()
    for length in range(len(tokens), 0, -1):
        if (what := phrases.get(" ".join(tokens[-length:]))) or (what := phrases.get(" ".join(tokens[:length]))):
            return what
    return phrases.get(_held(words, phrases) or "", "")


def _among(words: str, phrases: Iterable[str]) -> bool:
    return bool(_said(words, dict.fromkeys(phrases, "yes")))


def _held(words: str, phrases: Iterable[str]) -> str | None:
    """The phrase that a header holds, in a script without blanks between words."""
    if not words or ord(max(words)) < SOLID:
        return None
    return next((phrase for phrase in phrases if len(phrase) > 1 and ord(phrase[0]) >= SOLID and phrase in words), None)


def _measures(levels: Mapping[str, int]) -> bool:
    """Whether most values are small numbers and signs, such as 128/82 or 176 x 81: measured, and no name of anybody."""
    some = list(levels)[:500]
    numbers = [NUMBER.findall(text) for text in some]
    words = [LONG_WORD.search(text) for text in some]
    small = [len(found) > 1 and max(map(len, found)) <= 3 for found in numbers]
    return sum(one and not word for one, word in zip(small, words, strict=True)) >= 0.8 * len(some)


def _look_like_names(levels: Mapping[str, int]) -> bool:
    """Whether most values are written like somebody's name, and some hold a common first name."""
    some = list(levels)[:500]
    known = first_names()
    parts = [WORD.findall(text) for text in some]
    written = sum(2 <= len(words) <= 4 and all(word[0].isupper() for word in words) for words in parts)
    solid = sum(bool(SOLID_NAME.fullmatch(text)) for text in some)
    named = sum(any(word.lower() in known for word in words) for words in parts)
    return (written >= 0.6 * len(some) and named >= 0.2 * len(some)) or solid >= 0.8 * len(some)
