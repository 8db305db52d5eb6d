"""The words by which lists of many countries and systems name their columns."""

from __future__ import annotations

import re
import unicodedata

NEGLIGIBLE = re.compile(r"[\W_]")


def word_of(header: str) -> str:
    """A header as it is compared: without case, accents, spaces and signs."""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", header).casefold())
    plain = "".join(one for one in decomposed if not unicodedata.combining(one))
    # N°, Nº and № are all "no".
    return NEGLIGIBLE.sub("", plain.replace("°", "o"))


def _words(text: str) -> frozenset[str]:
    return frozenset(word_of(word) for word in text.split(",") if word)


# An organization's own number of a person.
ID_WORDS = _words(
    "external id,externalid,id,person id,student id,pupil id,learner id,employee id,staff id,member id,"
    "user id,patient id,client id,participant id,badge id,card id,worker id,guest id,visitor id,"
    "beneficiary id,registration id,unique id,id number,id no,id nr,id code,idnumber,person number,"
    "person no,student number,student no,student nr,student code,pupil number,pupil no,employee number,"
    "employee no,employee nr,employee code,emp id,emp no,emp code,staff number,staff no,member number,"
    "member no,membership number,membership no,patient number,patient no,personnel number,personnel no,"
    "payroll number,payroll no,admission number,admission no,roll number,roll no,registration number,"
    "registration no,reg no,index number,upn,case number,case no,case id,badge number,badge no,mrn,"
    "sis id,sis user id,sourcedid,badge,"
    # German
    "personalnummer,personalnr,pers nr,matrikelnummer,matrikelnr,matrikel,schülernummer,schülernr,"
    "schüler id,mitarbeiternummer,mitarbeiternr,mitarbeiter id,mitgliedsnummer,mitgliedsnr,"
    "mitgliedernummer,kundennummer,kundennr,ausweisnummer,ausweisnr,kennung,kennnummer,externe id,"
    "externe kennung,personen id,patientennummer,teilnehmernummer,teilnehmer id,id nummer,"
    # French
    "matricule,identifiant,numéro étudiant,n° étudiant,no étudiant,num étudiant,numéro d'étudiant,ine,"
    "id externe,identifiant externe,numéro matricule,numéro de matricule,n° matricule,numéro élève,"
    "n° élève,id élève,id étudiant,numéro employé,n° employé,code élève,code étudiant,"
    "numéro d'identification,"
    # Spanish and Portuguese
    "matrícula,no matrícula,n° matrícula,número de matrícula,legajo,expediente,número de expediente,"
    "id externo,número de empleado,no empleado,n° empleado,número de estudiante,número de alumno,"
    "número de control,código de alumno,código de estudiante,código estudiante,identificador,"
    "identificación,id estudiante,id alumno,id empleado,carnet,carné,cédula,dni,id aluno,"
    "número de aluno,no aluno,número do aluno,número mecanográfico,código do aluno,código de empleado,"
    "identificação,id funcionário,registro acadêmico,"
    # Italian, Dutch, Scandinavian, Finnish
    "matricola,numero matricola,identificativo,codice studente,studentnummer,personeelsnummer,"
    "leerlingnummer,medewerkernummer,lidnummer,deelnemersnummer,elevnummer,medlemsnummer,"
    "anställningsnummer,ansattnummer,medarbejdernummer,studienummer,opiskelijanumero,henkilönumero,"
    "tunniste,"
    # Polish, Czech, Hungarian, Romanian, Turkish, Greek
    "identyfikator,numer albumu,nr albumu,numer indeksu,nr indeksu,numer legitymacji,numer pracownika,"
    "osobní číslo,identifikátor,azonosító,oktatási azonosító,număr matricol,nr matricol,öğrenci no,"
    "öğrenci numarası,sicil no,kimlik no,tc kimlik no,αριθμός μητρώου,"
    # Ukrainian and Russian
    "ідентифікатор,табельний номер,номер студента,номер учня,номер квитка,студентський квиток,"
    "особовий номер,ід,айді,идентификатор,табельный номер,номер зачетки,зачетная книжка,личный номер,"
    "номер ученика,ид,"
    # Arabic and Persian
    "الرقم الجامعي,رقم الطالب,الرقم الوظيفي,رقم الموظف,المعرف,معرف,الرقم التعريفي,رقم الهوية,رقم القيد,"
    "الرقم الأكاديمي,رقم التسجيل,شماره دانشجویی,شماره پرسنلی,شناسه,کد ملی,"
    # Chinese, Japanese, Korean
    "学号,學號,工号,工號,学籍番号,社員番号,職員番号,生徒番号,学生番号,학번,사번,"
)
# These are a person's number in one list, and that of a row or a class in another.
ID_WORDS_OF_DOUBT = _words(
    "number,no,nr,num,n°,№,code,ref,reference,nummer,numéro,número,numero,código,codigo,codice,kod,kód,"
    "numer,numara,kode,номер,код,رقم,الرقم,شماره,编号,編號,番号,번호,login,username,benutzername,"
    "identifiant de connexion,"
)
NAME_WORDS = _words(
    "full name,display name,complete name,whole name,student name,pupil name,employee name,staff name,"
    "member name,patient name,person name,participant name,name and surname,name surname,surname name,"
    "last name first name,first name last name,first and last name,first name and last name,"
    "name of student,vollständiger name,voller name,name komplett,name vorname,vorname name,"
    "nachname vorname,vorname nachname,vor und nachname,schülername,mitarbeitername,anzeigename,"
    "nom complet,nom et prénom,nom prénom,prénom nom,prénom et nom,nom et prénoms,noms et prénoms,"
    "nom d'usage complet,nombre completo,nombre y apellidos,nombre y apellido,nombres y apellidos,"
    "apellidos y nombre,apellidos y nombres,nome completo,nome e sobrenome,nome e apelido,"
    "nome do aluno,nombre del alumno,nome e cognome,cognome e nome,cognome nome,nome cognome,"
    "volledige naam,fullt namn,fullt navn,koko nimi,imię i nazwisko,nazwisko i imię,jméno a příjmení,"
    "příjmení a jméno,teljes név,nume și prenume,nume complet,ad soyad,adı soyadı,ad ve soyad,"
    "ονοματεπώνυμο,піб,повне ім'я,прізвище та ім'я,прізвище ім'я по батькові,фио,полное имя,"
    "фамилия имя отчество,фамилия и имя,الاسم الكامل,اسم الطالب,الاسم الثلاثي,الاسم الرباعي,اسم الموظف,"
    "نام و نام خانوادگی,نام کامل,姓名,氏名,성명,"
)
# These are the whole name where they stand alone, and a part of it beside another part.
NAME_WORDS_OF_DOUBT = _words(
    "name,names,nom,noms,nombre,nombres,nome,navn,namn,naam,nimi,nazwa,név,nume,isim,ad,adı,jméno,ime,"
    "όνομα,ім'я,имя,الاسم,اسم,نام,名前,名称,이름,"
)
FIRST_NAME_WORDS = _words(
    "first name,first names,forename,forenames,given name,given names,first,given,preferred name,"
    "christian name,vorname,vornamen,rufname,prénom,prénoms,prénom usuel,primer nombre,primeiro nome,"
    "nome próprio,imię,imiona,fornavn,förnamn,voornaam,roepnaam,etunimi,křestní jméno,keresztnév,"
    "prenume,перше ім'я,الاسم الأول,الاسم الشخصي,نام کوچک,名,"
)
LAST_NAME_WORDS = _words(
    "last name,last names,surname,surnames,family name,last,family,nachname,nachnamen,familienname,"
    "zuname,nom de famille,nom d'usage,nom usuel,apellido,apellidos,sobrenome,apelido,apelidos,cognome,"
    "achternaam,efternamn,etternavn,efternavn,sukunimi,nazwisko,příjmení,vezetéknév,családnév,"
    "nume de familie,prezime,soyad,soyadı,επώνυμο,прізвище,фамилия,اسم العائلة,اللقب,الكنية,النسب,"
    "نام خانوادگی,姓,성,"
)
# Of these there are two, which belong together in the order in which they stand.
DOUBLE_LAST_NAME_WORDS = _words(
    "primer apellido,segundo apellido,apellido paterno,apellido materno,apellido 1,apellido 2,"
)
PHOTO_WORDS = _words(
    "photo,photos,picture,pictures,image,images,pic,portrait,headshot,avatar,id photo,foto,fotos,bild,"
    "bilder,lichtbild,passbild,passfoto,porträt,fotografía,fotografías,imagen,imágenes,imagem,imagens,"
    "immagine,immagini,retrato,zdjęcie,zdjęcia,fotka,kuva,billede,bilde,fotoğraf,resim,kép,fénykép,"
    "poză,φωτογραφία,фото,фотографія,світлина,фотография,снимок,صورة,الصورة,صور,الصور,عکس,照片,相片,"
    "写真,画像,사진,이미지,"
)
FILE_WORDS = _words(
    "file,files,filename,file name,path,file path,datei,dateien,dateiname,pfad,dateipfad,fichier,"
    "fichiers,nom du fichier,nom de fichier,chemin,archivo,archivos,nombre de archivo,"
    "nombre del archivo,fichero,ruta,arquivo,arquivos,ficheiro,nome do arquivo,nome do ficheiro,"
    "caminho,nome file,percorso,bestand,bestandsnaam,plik,nazwa pliku,soubor,fájl,fájlnév,fișier,dosya,"
    "dosya adı,fil,filnamn,filnavn,tiedosto,файл,ім'я файлу,назва файлу,шлях,имя файла,путь,ملف,الملف,"
    "اسم الملف,المسار,فایل,نام فایل,文件,文件名,ファイル,ファイル名,파일,파일명,"
)
# What stands before or behind the word for a photo: "Photo file", "Fichier photo", "اسم الصورة".
BESIDE_PHOTO = FILE_WORDS | _words(
    "name,url,link,student,profile,user,passport,employee,of student,profil,ausweis,nom de la,nome da,"
    "nombre de la,nombre,nome,nom,d'identité,identité,archivo de,archivo de la,fichier de la,"
    "ficheiro da,arquivo da,de perfil,del alumno,имя,назва,ім'я,اسم,رابط,"
)


def is_photo_word(word: str) -> bool:
    """Whether a header's word is one for photos, perhaps with a number: "photo2", "fotodatei"."""
    word = word.rstrip("0123456789")
    if word in PHOTO_WORDS:
        return True
    return any(
        word.removeprefix(photo) in BESIDE_PHOTO for photo in PHOTO_WORDS if word.startswith(photo)
    ) or any(word.removesuffix(photo) in BESIDE_PHOTO for photo in PHOTO_WORDS if word.endswith(photo))


def is_file_word(word: str) -> bool:
    """Whether a header's word is one for files, perhaps with a number."""
    return word.rstrip("0123456789") in FILE_WORDS
