"""Letters and common words of languages: what tells whether bytes were read in the right code page.

Letters: the main exemplar characters of Unicode CLDR (https://cldr.unicode.org, `common/main/<language>.xml`), those
beyond ASCII. Words: some of the commonest of each language, as frequency lists have them.
"""

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Language:
    """One language.

    Attributes:
        letters: beyond ASCII, in lower case.
        common: words.
    """

    letters: str
    common: str

    @cached_property
    def alphabet(self) -> frozenset[str]:
        return frozenset(self.letters)

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset(self.common.split())


LANGUAGES = {
    "en": Language(
        "é",
        "the and of to in is was for that with on are my not have this be from they it at you were has had but which"
        " would been their our",
    ),
    "de": Language(
        "äöüß",
        "der die das und ist nicht ich ein eine den von zu mit dem auf für im es sich des wir sie hat wurde auch bei"
        " nach über werden sind",
    ),
    "fr": Language(
        "àâæçéèêëîïôœùûüÿ",
        "le la les des et est un une du que qui dans pour pas je ne sur au ma mon avec ce il plus été à où même très"
        " après",
    ),
    "es": Language(
        "áéíñóúü",
        "el la los las de que y en un una por con no se del al para es su mi lo como más pero sus le me fue está qué"
        " sin también",
    ),
    "pt": Language(
        "áàâãçéêíóôõúü",
        "o a os as de que e do da em um uma para com não por no na se mais dos das foi ao meu minha é são está já"
        " também às",
    ),
    "it": Language(
        "àéèìîòóù",
        "il la le gli di che e un una per non in con del della è sono mi si da al ho ha più questo come ma anche dei"
        " alla nel perché",
    ),
    "ca": Language(
        "àçéèíïóòúü·",
        "el la els les de que i en un una per amb no es del al què més però com és són va ha han aquest aquesta meu"
        " seva dos",
    ),
    "nl": Language(
        "áéèëíïóöúü",
        "de het een en van ik te dat die in is niet zijn op met voor mijn maar er aan ook wordt bij om naar heb heeft"
        " was als deze",
    ),
    "da": Language(
        "æøåé",
        "og i jeg det at en er til på de der den ikke som for med har af et jeg min mig blev fra kan men være efter"
        " også skal været",
    ),
    "no": Language(
        "æøåéòô",
        "og i jeg det at en er til på de som den ikke for med har av et min meg ble fra kan men være etter også skal"
        " vært ikkje",
    ),
    "sv": Language(
        "åäöé",
        "och i jag det att en är till på de som den inte för med har av ett min mig blev från kan men vara efter också"
        " ska har när",
    ),
    "fi": Language(
        "äöå",
        "ja on ei se että oli en hän mutta kun minun ovat tai kuin olen myös niin jos vain sen tämä ole joka mitä"
        " minulle pankki ollut",
    ),
    "is": Language(
        "áðéíóúýþæö",
        "og að er í á ekki ég það sem var til en við með um hann fyrir af hef hefur þetta mér mig eru frá því hafa"
        " verið minn",
    ),
    "et": Language(
        "äõöüšž",
        "ja on ei et ma see oli kui mis aga ka minu ning ta oma nii kes mind pole seda olen mulle siis või kõik üle"
        " sest saa",
    ),
    "lv": Language(
        "āčēģīķļņšūž",
        "un ir no es ka ar par uz nav kas bet to man tas vai lai pēc bija kā tā arī mans mani jau šo līdz divas",
    ),
    "lt": Language(
        "ąčęėįšųūž",
        "ir yra kad į iš su ne bet tai kaip aš mano buvo man nuo per po jau dėl už šis jis dar arba bei apie du",
    ),
    "pl": Language(
        "ąćęłńóśźż",
        "i w nie na z się do to że jest o jak za od po co ale mi mnie przez przy czy był tego moje bank który więc już"
        " została oraz",
    ),
    "cs": Language(
        "áčďéěíňóřšťúůýž",
        "a se v na je že to s z do o i k ve si za po jsem pro ale od by jako jsme mi mě byl nebo jen už také proč tak"
        " dvakrát",
    ),
    "sk": Language(
        "áäčďéíĺľňóôŕšťúýž",
        "a sa v na je že to s z do o i k vo si za po som pre ale od by ako sme mi ma bol alebo len už tiež prečo tak"
        " dvakrát",
    ),
    "sl": Language(
        "čšž",
        "in je na da se v za so ne z ki pa sem od po kot tudi do ali pri mi me bil bila moj že še ni kar sta dvakrat",
    ),
    "hr": Language(
        "čćđšž",
        "i je u na da se za su ne s od sam koji što kao ali do iz ili mi me bio bila moj već još nije sve dva puta te",
    ),
    "hu": Language(
        "áéíóöőúüű",
        "a az és hogy nem is egy ez van de meg csak már volt ha mint el én nekem azt ki ezt vagy után még két kérem"
        " bank",
    ),
    "ro": Language(
        "ăâîșțşţ",
        "și de la a în cu nu pe că o un din este să am pentru mai care ce dar mi se fost sau mea meu după două ori şi",
    ),
    "sq": Language("çë", "dhe e të në një nuk për me më se ka që nga është si u do por këtë tim im kam dy herë pas"),
    "tr": Language(
        "çğıöşüâîû",
        "ve bir bu da de için ne çok ben o mi ama var gibi daha olarak kadar sonra bana benim iki kez değil ile her"
        " kimse yok beni",
    ),
    "ru": Language(
        "абвгдежзийклмнопрстуфхцчшщъыьэюяё",
        "и в не на что с по как это за из мне мой от для но меня было деньги уже так был они все до если дважды никто"
        " мои то",
    ),
    "uk": Language(
        "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",
        "і в не на що з до як це за та мені мій від для але мене було гроші вже так був вони все якщо двічі ніхто"
        " мої у",
    ),
    "be": Language(
        "абвгдеёжзійклмнопрстуўфхцчшыьэюя",
        "і ў не на што з да як гэта за мне мой ад для але мяне было грошы ужо так быў яны калі двойчы ніхто мае",
    ),
    "bg": Language(
        "абвгдежзийклмнопрстуфхцчшщъьюя",
        "и в не на че с по как това за от ми моята но ме беше пари вече така бил те всичко два пъти никой да се са",
    ),
    "sr": Language(
        "абвгдђежзијклљмнњопрстћуфхцчџш",
        "и у не на да је се за су са од сам који што као али до из или ми ме био моје већ још није све два пута",
    ),
    "mk": Language(
        "абвгдѓежзѕијклљмнњопрстќуфхцчџш",
        "и во не на да е се за со од сум кој што како но до или ми ме беше мојата веќе уште нема сè два пати",
    ),
    "el": Language(
        "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ",
        "και το η της την να του με δεν που για από τα ο είναι στο στην μου τον θα οι ή αλλά δύο φορές σε ένα",
    ),
    "he": Language(
        "אבגדהוזחטיךכלםמןנסעףפץצקרשת",
        "את של על לא זה אני הוא עם כי גם או אבל יש לי מה כל היא אין שלי הבנק היה פעמיים אחד כבר",
    ),
    "ar": Language(
        "ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىيًٌٍَُِّْ",
        "في من على أن لا إلى هذا ما و هو لم عن مع كان التي الذي كل أو بعد قد لي هذه ولم مرتين إن البنك",
    ),
    "fa": Language(
        "ءآأؤئابپتثجچحخدذرزژسشصضطظعغفقکگلمنهوی\u200c",
        "و در به از که این را با است برای آن یک من هم تا بر نیست دو بار کرد شده اما هیچ حساب",
    ),
    "vi": Language(
        "àáâãèéêìíòóôõùúýăđĩũơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ\u0300\u0301\u0303\u0309\u0323",
        "và là của có không tôi cho đã được một trong này với các người để những từ thì hai lần ngân hàng tiền"
        " nhưng ai",
    ),
    "th": Language("".join(map(chr, (*range(0x0E01, 0x0E3B), *range(0x0E40, 0x0E4F)))), ""),
}

CODE_PAGES: dict[str, str] = {
    **dict.fromkeys(
        ("cp1252", "iso8859-15", "mac-roman", "cp850", "cp858", "cp437"), "en de fr es pt it ca nl da no sv fi is et sq"
    ),
    **dict.fromkeys(("cp1250", "iso8859-2", "cp852", "mac-latin2", "iso8859-16"), "en de pl cs sk sl hr hu ro sq"),
    **dict.fromkeys(("cp1254", "iso8859-9", "cp857", "mac-turkish"), "en de fr es pt it nl da no sv fi tr sq"),
    **dict.fromkeys(("cp1257", "iso8859-13", "iso8859-4", "cp775"), "en de fi sv da no et lv lt pl"),
    **dict.fromkeys(
        ("cp1251", "koi8-r", "koi8-u", "iso8859-5", "cp866", "mac-cyrillic", "cp855"), "en ru uk be bg sr mk"
    ),
    **dict.fromkeys(("cp1253", "iso8859-7", "cp737", "cp869", "mac-greek"), "en el"),
    **dict.fromkeys(("cp1255", "iso8859-8", "cp862"), "en he"),
    **dict.fromkeys(("cp1256", "iso8859-6", "cp864"), "en ar fa"),
    "cp1258": "en vi",
    **dict.fromkeys(("cp874", "iso8859-11"), "en th"),
}
"""Code page of one byte a character -> languages that are written in it, separated by blanks."""
