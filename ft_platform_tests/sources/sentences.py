"""Sentences about fictitious trouble with a bank in many languages, and the encodings that each is written in."""

SENTENCES: dict[str, list[str]] = {
    "en": [
        "I don’t know why they “closed” my account – the café charged £30 twice and it’s wrong.",
        "They said it’s been paid, but I haven’t received the letter that the bank promised…",
    ],
    "de": [
        (
            "Die Überweisung wurde nicht ausgeführt, obwohl ich rechtzeitig bezahlt hätte. Größere Beträge müssen"
            " geprüft werden."
        ),
        "Ich möchte wissen, warum für das Konto zweimal Gebühren abgezogen wurden und mir niemand hilft.",
    ],
    "fr": [
        (
            "Le crédit à été refusé, j'ai reçu une lettre de ma banque à Genève. Ça fait déjà trois mois que le prêt"
            " n'était pas accordé."
        ),
        "Personne ne m’a répondu après ma réclamation, où est passé l’argent qui était sur mon compte ?",
    ],
    "es": [
        "El señor Muñoz llamó al banco pero nadie contestó. ¿Por qué cobraron dos veces la hipoteca este año?",
        "La cuenta está bloqueada desde el miércoles y no sé a quién llamar para que me devuelvan el dinero.",
    ],
    "pt": [
        "Não recebi a devolução do pagamento e ninguém responde às minhas reclamações sobre a cobrança.",
        "O banco já cobrou duas vezes a prestação do empréstimo, não é possível falar com a agência.",
    ],
    "it": [
        "Il conto è stato bloccato perché la società non ha più ricevuto il pagamento, ma io l'ho già fatto lunedì.",
        "Nessuno mi ha risposto e la banca non può dirmi quando avrò la somma che è stata addebitata due volte.",
    ],
    "ca": [
        "El banc m'ha cobrat dues vegades la comissió i no hi ha ningú que em pugui dir què ha passat però també és"
        " urgent."
    ],
    "nl": [
        "De bank heeft twee keer geld van mijn rekening gehaald en ik heb geen antwoord gekregen op mijn brief; één"
        " keer is genoeg, reële schade."
    ],
    "da": [
        "Banken har trukket beløbet to gange fra min konto, og jeg får ikke svar på mine breve. Det er også på grund af"
        " en fejl."
    ],
    "no": [
        "Banken har trukket beløpet to ganger fra kontoen min, og jeg får ikke svar på brevene. Det er også på grunn av"
        " en feil."
    ],
    "sv": [
        "Banken har dragit beloppet två gånger från mitt konto och jag får inte svar på mina brev. Det är också på"
        " grund av ett fel."
    ],
    "fi": [
        "Pankki veloitti tililtäni maksun kahdesti, eikä kukaan ole vastannut minulle. Se ei ole mielestäni oikein,"
        " että näin käy."
    ],
    "is": [
        "Bankinn tók tvisvar út af reikningnum mínum og ég hef ekki fengið svar við bréfinu. Það er ekki rétt að þetta"
        " sé ég."
    ],
    "et": [
        "Pank võttis kaks korda raha minu kontolt ja keegi ei vasta mulle. See on väga halb, sest ma ei saa üüri õigel"
        " ajal maksta."
    ],
    "lv": [
        "Banka divas reizes noņēma naudu no mana konta, un neviens man neatbild. Lūdzu atmaksāt summu un paskaidrot,"
        " kas par kļūdu tā bija."
    ],
    "lt": [
        "Bankas du kartus nuskaičiavo pinigus iš mano sąskaitos ir niekas man neatsako. Prašau grąžinti pinigus, nes"
        " tai yra klaida."
    ],
    "pl": [
        (
            "Bank nie wypłacił środków, mimo że złożyłem reklamację. Proszę o zwrot pieniędzy i wyjaśnienie, dlaczego"
            " tak się stało."
        ),
        "Na moim koncie jest błąd i nikt nie odpowiada, bo już trzy razy dzwoniłam do was w tej sprawie.",
    ],
    "cs": [
        (
            "Banka mi dvakrát strhla peníze z účtu a nikdo neodpovídá. Žádám o vrácení částky a vysvětlení, proč se to"
            " stalo."
        ),
        "Nevím, proč mi byl účet zablokován, a na pobočce mi řekli, že to není jejich věc.",
    ],
    "sk": [
        "Banka mi dvakrát strhla peniaze z účtu a nikto neodpovedá. Žiadam o vrátenie čiastky a vysvetlenie, prečo sa"
        " to stalo."
    ],
    "sl": [
        "Banka mi je dvakrat odtegnila denar z računa in nihče ne odgovori. Prosim za vračilo zneska, ker to ni moja"
        " napaka, že še čakam."
    ],
    "hr": [
        "Banka mi je dvaput naplatila naknadu s računa i nitko ne odgovara. Molim povrat novca jer već čekam, što nije"
        " moja greška."
    ],
    "hu": [
        (
            "A bank kétszer vonta le az összeget a számlámról, és senki nem válaszol. Kérem vissza a pénzt, hogy ezt"
            " már ne ismétlődő hibának lássam."
        ),
        "Az ügyfélszolgálat nem vette fel a telefont, ezért írok: a hűségpontok is eltűntek, és a bőröndöm is.",
    ],
    "ro": [
        "Banca mi-a luat de două ori bani din cont și nimeni nu răspunde la scrisorile mele. Vă rog să îmi dați banii"
        " înapoi, că nu este vina mea."
    ],
    "tr": [
        "Banka hesabımdan iki kez para çekti ve kimse cevap vermiyor. Lütfen paramı geri ödeyin, çok teşekkür ederim,"
        " bu işlem yanlıştı."
    ],
    "ru": [
        "Банк списал деньги дважды, и никто не отвечает на мои письма. Прошу вернуть средства.",
        "Мне не объяснили, почему счёт был закрыт, хотя я уже три раза звонила в отделение.",
    ],
    "uk": [
        "Банк двічі списав гроші з мого рахунку, і ніхто не відповідає на мої листи. Прошу повернути кошти та пояснити,"
        " як це сталося."
    ],
    "bg": [
        "Банката два пъти ми удържа пари от сметката и никой не отговаря на писмата ми. Моля да ми върнете сумата,"
        " защото това не е моя грешка."
    ],
    "sr": [
        "Банка ми је два пута наплатила накнаду са рачуна и нико не одговара. Молим да ми се врати новац јер то није"
        " моја грешка."
    ],
    "el": [
        "Η τράπεζα χρέωσε δύο φορές τον λογαριασμό μου και κανείς δεν απαντά στα γράμματα που έστειλα για να το λύσουν."
    ],
    "he": ["הבנק חייב את החשבון שלי פעמיים ואף אחד לא עונה לי. אני מבקש את הכסף כי זה לא היה בסדר."],
    "ar": ["خصم البنك المبلغ مرتين من حسابي ولم يرد علي أحد حتى الآن. أريد أن أعرف ما هو السبب في هذا الخطأ."],
    "vi": [
        "Ngân hàng đã trừ tiền hai lần và không có ai trả lời tôi. Tôi muốn được hoàn tiền, vì đây là lỗi của ngân"
        " hàng."
    ],
    "th": ["ธนาคารหักเงินจากบัญชีของฉันสองครั้งและไม่มีใครตอบจดหมายของฉันเลย กรุณาคืนเงินด้วย"],
    "ja": [
        "銀行が二回引き落としました。返金してください。何度も電話しましたが返事がありません。",
        "口座が閉じられた理由を教えてください。手紙を送りましたが、まだ何も届いていません。",
    ],
    "zh": ["银行扣了两次款，请退款。我打了很多次电话都没有人回答，这个问题是你们的错，我不知道还要等多久。"],
    "zh-Hant": ["銀行扣了兩次款，請退款。我打了很多次電話都沒有人回答，這個問題是你們的錯，我不知道還要等多久。"],
    "ko": ["은행이 두 번 돈을 빼 갔는데 아무도 대답하지 않습니다. 환불해 주시고 이 문제가 왜 생겼는지 알려 주세요."],
}

WEST = ["cp1252", "latin-1", "iso8859-15", "mac-roman", "cp850", "cp437"]
CENTRAL = ["cp1250", "iso8859-2", "cp852", "mac-latin2"]
CYRILLIC = ["cp1251", "koi8-r", "iso8859-5", "cp866", "mac-cyrillic"]
UNICODE = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7"]
ENCODINGS: dict[str, list[str]] = {
    **dict.fromkeys(("en", "de", "fr", "es", "pt", "it", "ca", "nl", "da", "no", "sv", "fi", "is"), WEST),
    **dict.fromkeys(("pl", "cs", "sk", "sl", "hr", "hu", "ro"), CENTRAL),
    "et": ["cp1257", "cp1252", "iso8859-13", "iso8859-15", "iso8859-4"],
    "lv": ["cp1257", "iso8859-13", "iso8859-4", "cp775"],
    "lt": ["cp1257", "iso8859-13", "iso8859-4", "cp775"],
    "ro": [*CENTRAL, "iso8859-16"],
    "tr": ["cp1254", "iso8859-9", "cp857", "mac-turkish"],
    **dict.fromkeys(("ru", "bg", "sr"), CYRILLIC),
    "uk": ["cp1251", "koi8-u", "iso8859-5", "mac-cyrillic"],
    "el": ["cp1253", "iso8859-7", "cp737", "mac-greek"],
    "he": ["cp1255", "iso8859-8", "cp862"],
    "ar": ["cp1256", "iso8859-6", "cp720"],
    "vi": ["cp1258"],
    "th": ["cp874", "iso8859-11"],
    "ja": ["cp932", "shift_jis", "euc_jp", "iso2022_jp", "iso2022_jp_ext"],
    "zh": ["gbk", "gb18030", "gb2312", "hz"],
    "zh-Hant": ["big5", "cp950", "big5hkscs", "gbk"],
    "ko": ["euc_kr", "cp949", "johab", "iso2022_kr"],
}
"""Language -> encodings that files in it come in, beside Unicode's and EBCDIC."""
EVERYWHERE = [*UNICODE, "cp500", "cp037"]


def written(text: str, encoding: str) -> bytes | None:
    """The text in an encoding; None where the encoding has not all of its characters. Vietnamese is written with marks
    behind the letters."""
    import unicodedata

    if encoding == "cp1258":
        parts = unicodedata.normalize("NFD", text)
        for base, mark in (
            ("a", "\u0302"),
            ("e", "\u0302"),
            ("o", "\u0302"),
            ("a", "\u0306"),
            ("o", "\u031b"),
            ("u", "\u031b"),
        ):
            for letter in (base, base.upper()):
                parts = parts.replace(letter + mark, unicodedata.normalize("NFC", letter + mark))
                for tone in "\u0300\u0301\u0303\u0309\u0323":
                    parts = parts.replace(letter + tone + mark, unicodedata.normalize("NFC", letter + mark) + tone)
        text = parts
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return None
