"""What columns are read as: the headers of many countries and systems, and what is asked."""

from __future__ import annotations

import pytest

from portal.batches.columns import Column, problem_of_choice, understand

SHORT = {
    "i": Column.EXTERNAL_ID,
    "n": Column.NAME,
    "f": Column.FIRST_NAME,
    "l": Column.LAST_NAME,
    "p": Column.PHOTO,
    "-": Column.NOT_USED,
}


@pytest.mark.parametrize(
    ("header", "uses"),
    [
        ("Student ID,Full Name,Photo", "inp"),
        ("Employee No.,First Name,Last Name,Department,Photo file", "ifl-p"),
        ("Matricule,Nom,Prénom,Photo", "ilfp"),
        ("N° étudiant,Prénom,Nom de famille,Fichier photo", "iflp"),
        ("username,firstname,lastname,email,idnumber,Picture", None),
        ("firstname,lastname,email,idnumber,picture", "fl-ip"),
        ("Personalnummer;Vorname;Nachname;Foto", "iflp"),
        ("Schüler-Nr.;Name;Vorname;Klasse;Bild", "ilf-p"),
        ("Matrícula,Nombre,Apellidos,Foto", "iflp"),
        ("Legajo,Nombres,Apellido paterno,Apellido materno,Fotografía", "ifllp"),
        ("Nº aluno,Nome,Apelido,Ficheiro", "iflp"),
        ("Número de matrícula,Nome completo,Foto", "inp"),
        ("Matricola,Cognome,Nome,Immagine", "ilfp"),
        ("الرقم الجامعي,الاسم الكامل,الصورة", "inp"),
        ("رقم الطالب,الاسم,اسم ملف الصورة", None),
        ("Табельний номер,Прізвище,Ім'я,Світлина", "ilfp"),
        ("Табельный номер,ФИО,Фото", "inp"),
        ("学号,姓名,照片", "inp"),
        ("社員番号,氏名,写真", "inp"),
        ("Numer albumu,Nazwisko,Imię,Zdjęcie", "ilfp"),
        ("Studentnummer,Voornaam,Achternaam,Foto", "iflp"),
        ("Öğrenci No,Adı,Soyadı,Fotoğraf", "iflp"),
        ("ID,Name,Surname,Photo", "iflp"),
        ("S.No,Roll No,Student Name,Image", "-inp"),
        ("external_id,ID,name,photo 1,photo 2", "i-npp"),
    ],
)
def test_headers_of_many_countries_and_systems(header: str, uses: str | None) -> None:
    cells = header.split(";" if ";" in header else ",")
    found, question = understand(cells, [])
    if uses is None:
        assert question
    else:
        assert ([SHORT[use] for use in uses], "") == (found, question)


@pytest.mark.parametrize(
    ("header", "question"),
    [
        ("Number,ID,Name,Photo", "Several columns could be the external ID."),
        ("Student ID,Employee ID,Name,Photo", "Several columns could be the external ID."),
        ("Name,Photo", "Which column is the external ID?"),
        ("ID,First name,Photo", "Which columns are the name?"),
        ("ID,Surname,Photo", "Which columns are the name?"),
        ("ID,Full name,Display name,Photo", "Which columns are the name?"),
        ("ID,Name", "Which column names the photo?"),
        ("ID,Name,Photo,Path", "Which columns name the photos?"),
        ("ID,Name,Photo ID", "Which column names the photo?"),
    ],
)
def test_what_is_not_clear_is_asked(header: str, question: str) -> None:
    assert understand(header.split(","), [])[1] == question


def test_a_name_that_holds_the_other_column_is_the_whole_name_and_asked_about() -> None:
    header = ["ID", "Name", "First name", "Photo"]
    assert understand(header, [["1", "Ihle", "Anna", "a.jpg"]])[1] == ""
    assert understand(header, [["1", "Anna Ihle", "Anna", "a.jpg"]])[1] == "Which columns are the name?"


def test_a_column_of_photo_names_is_proposed() -> None:
    uses, question = understand(["ID", "Name", "Anhang"], [["1", "Anna", "a.jpg"], ["2", "Bo", ""]])
    assert uses[2] is Column.PHOTO
    assert question == "Which column names the photo?"


@pytest.mark.parametrize(
    ("uses", "problem"),
    [
        ("inp", ""),
        ("iflp", ""),
        ("ip", ""),
        ("iinp", "Choose one column as external ID, not several."),
        ("inlp", "Choose either a column with the whole name, or those with its parts."),
        ("np", "Choose the column with the external ID."),
        ("in", "Choose the column with the photo."),
        ("inp---", "The list has 5 columns, and 6 were described."),
    ],
)
def test_what_staff_choose_is_checked(uses: str, problem: str) -> None:
    assert problem_of_choice([SHORT[use] for use in uses], 5) == problem
