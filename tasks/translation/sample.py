"""The built-in corpus for translation: Chinese and English, in which the order of the words differs.

Every pattern and every word is written for this project, both sides of a pattern beside each other:

    我爱中国                            I love China.
    安娜昨天在北京买了三本书。            Anna bought three books in Beijing yesterday.
    他每天早上喝茶吗？                   Does he drink tea every morning?
    我的朋友去年写的那本书很有意思。       The book that my friend wrote last year is very interesting.

so times and places change sides, a clause comes after what it describes, a question turns around, what
Chinese counts by (本, 只, 杯) goes away or becomes a word, and English verbs agree and have tenses. 看 is
"read" or "watch": only what is looked at says which. A Chinese sentence has one translation. One in four
lacks its full stop or question mark, as people type. Held-out sentences are new, their words are not.
"""
import collections
import random

from tasks.reading.sample import tidy

SIZES = {"train": 3200, "validation": 400, "test": 400}
TERMS = "written for this project, under the project's own licence; part of its source code"
MOTTO = ("我爱中国", "I love China.")

# {slot}: what it is in each language is said below. 很, "very", is what joins a quality to its noun.
PATTERNS = (
    ("{who}{like}{thing}。", "{who} {likes} {thing}."),
    ("{who}不{like}{thing}。", "{who} {do} not {like} {thing}."),
    ("{who}{like}{thing}吗？", "{do} {who} {like} {thing}?"),
    ("{who}为什么不{like}{thing}？", "why {do} {who} not {like} {thing}?"),
    ("{who}{habit}在{place}{verb}{noun}。", "{who} {verbs} {nouns} {place} {habit}."),
    ("{who}{habit}{verb}{noun}吗？", "{do} {who} {verb} {nouns} {habit}?"),
    ("{who}{past}在{place}{verb}了{counted}。", "{who} {verbed} {counted} {place} {past}."),
    ("{past}谁{verb}了{counted}？", "who {verbed} {counted} {past}?"),
    ("{who}{past}没在{place}{verb}{noun}。", "{who} did not {verb} {nouns} {place} {past}."),
    ("{who}{past}{verb}{noun}了吗？", "did {who} {verb} {nouns} {past}?"),
    ("{who}{future}要在{place}{verb}{counted}。", "{who} will {verb} {counted} {place} {future}."),
    ("{who}{future}不{verb}{noun}。", "{who} will not {verb} {nouns} {future}."),
    ("{who}{past}{verb}的那{one}很{quality}。", "the {one} that {who} {verbed} {past} is very {quality}."),
    ("这{one}很{quality}。", "this {one} is very {quality}."),
    ("那{one}{quality}吗？", "is that {one} {quality}?"),
    ("这{one}没有{who}{verb}的那{one}{quality}。", "this {one} is not as {quality} as the {one} that {who} "
     "{verbed}."),
    ("{who}有{painted}。", "{who} {have} {painted}."),
    ("{who}{future}要去{where}。", "{who} will go to {where} {future}."),
    ("{who}{past}去了{where}。", "{who} went to {where} {past}."),
    ("{who}什么时候去{where}？", "when {do} {who} go to {where}?"),
)

# Chinese, English; a star marks the third person.
WHO = ("我 I|你 you|他 he*|她 she*|我们 we|他们 they|小明 Xiaoming*|安娜 Anna*|老师 the teacher*|医生 the doctor*"
       "|我的朋友 my friend*|她的朋友 her friend*|他的老师 his teacher*|我们的医生 our doctor*")
LIKES = "爱 love|喜欢 like"
THINGS = "中国 China|北京 Beijing|法国 France|音乐 music|中文 Chinese|数学 mathematics|夏天 summer|雪 snow"
HABITS = "每天 every day|每天早上 every morning|每天晚上 every evening|每个星期 every week"
PAST = ("昨天 yesterday|昨天早上 yesterday morning|昨天晚上 yesterday evening|上个星期 last week|去年 last year"
        "|前天 the day before yesterday")
FUTURE = ("明天 tomorrow|明天早上 tomorrow morning|明天晚上 tomorrow evening|下个星期 next week|明年 next year"
          "|后天 the day after tomorrow")
PLACES = ("家 at home|学校 at school|北京 in Beijing|上海 in Shanghai|公园 in the park|图书馆 in the library"
          "|车站 at the station")
WHERE = ("学校 school|北京 Beijing|上海 Shanghai|公园 the park|图书馆 the library|车站 the station|法国 France"
         "|医院 the hospital")
NUMBERS = "一 a|两 two|三 three|四 four|五 five|六 six|十 ten"
COLOURS = "红色 red|黑色 black|白色 white|蓝色 blue"

Noun = collections.namedtuple("Noun", "zh measure one many bare qualities")
Verb = collections.namedtuple("Verb", "zh base third past objects")

PRICES = "贵 expensive|便宜 cheap"
NOUNS = {noun.one: noun for noun in (
    Noun("书", "本", "book", "books", "books", PRICES + "|新 new|旧 old|有意思 interesting"),
    Noun("信", "封", "letter", "letters", "letters", "长 long|短 short|有意思 interesting"),
    Noun("电影", "部", "film", "films", "films", "长 long|短 short|有意思 interesting"),
    Noun("票", "张", "ticket", "tickets", "tickets", PRICES),
    Noun("车", "辆", "car", "cars", "cars", PRICES + "|新 new|旧 old|大 big|小 small"),
    Noun("苹果", "个", "apple", "apples", "apples", "大 big|小 small|甜 sweet"),
    Noun("面包", "块", "piece of bread", "pieces of bread", "bread", "大 big|小 small|甜 sweet"),
    Noun("茶", "杯", "cup of tea", "cups of tea", "tea", "热 hot|甜 sweet|便宜 cheap"),
    Noun("咖啡", "杯", "cup of coffee", "cups of coffee", "coffee", "热 hot|甜 sweet|贵 expensive"),
    Noun("花", "朵", "flower", "flowers", "flowers", "漂亮 beautiful|大 big|小 small"),
    Noun("猫", "只", "cat", "cats", "cats", "漂亮 beautiful|大 big|小 small"),
    Noun("狗", "只", "dog", "dogs", "dogs", "漂亮 beautiful|大 big|小 small"),
)}
VERBS = (
    Verb("买", "buy", "buys", "bought", "book|ticket|car|apple|piece of bread|flower|cup of coffee"),
    Verb("卖", "sell", "sells", "sold", "book|ticket|car|apple|flower|cup of tea"),
    Verb("吃", "eat", "eats", "ate", "apple|piece of bread"),
    Verb("喝", "drink", "drinks", "drank", "cup of tea|cup of coffee"),
    Verb("看", "read", "reads", "read", "book|letter"),
    Verb("看", "watch", "watches", "watched", "film"),
    Verb("写", "write", "writes", "wrote", "book|letter"),
    Verb("画", "draw", "draws", "drew", "cat|dog|flower|car"),
    Verb("看见", "see", "sees", "saw", "cat|dog|car|flower"),
)
PAINTED = "book|car|flower|cat|dog|apple"


def generate(seed=0, sizes=None):
    """Returns {split: [(Chinese, English), …]}, no sentence twice, in neither language.

    The words of the held-out splits are in training, which begins with `MOTTO`.

    >>> datasets = generate(sizes={"train": 400, "validation": 2, "test": 2})
    >>> [len(datasets[split]) for split in ("train", "validation", "test")]
    [400, 2, 2]
    >>> datasets["train"][0]
    ('我爱中国', 'I love China.')
    """
    rng, sizes = random.Random(seed), sizes or SIZES
    english = {MOTTO[1]: MOTTO[0]}
    while len(english) < sum(sizes.values()):
        chinese, translation = sentence(rng.choice(PATTERNS), rng)
        english.setdefault(translation, chinese)
    rows = _firsts_first([(chinese, translation) for translation, chinese in english.items()])
    datasets = {}
    for split, size in sizes.items():
        datasets[split], rows = rows[:size], rows[size:]
    return datasets


def _firsts_first(pairs):
    """First the pairs that have a word for the first time."""
    seen, firsts, others = set(), [], []
    for pair in pairs:
        words = {*pair[0], *pair[1].split()}
        (others if words <= seen else firsts).append(pair)
        seen |= words
    return firsts + others


def sentence(pattern, rng):
    """A Chinese sentence of a pattern, and its translation.

    >>> sentence(("{who}不去{where}。", "{who} {do} not go to {where}."), random.Random(0))
    ('我们的医生不去上海。', 'Our doctor does not go to Shanghai.')
    """
    drawn = slots(rng)
    chinese, english = (text.format(**{slot: words[side] for slot, words in drawn.items()})
                        for side, text in enumerate(pattern))
    return chinese[:-1] if rng.random() < 0.25 else chinese, tidy(english[0].upper() + english[1:])


def slots(rng):
    """{slot: (Chinese, English)} of one sentence; the forms of a verb agree with its subject."""
    who, third = subject(rng)
    verb = rng.choice(VERBS)
    noun = NOUNS[rng.choice(verb.objects.split("|"))]
    like, number = draw(LIKES, rng), draw(NUMBERS, rng)
    return {
        "who": who, "do": ("", "does" if third else "do"), "have": ("", "has" if third else "have"),
        "like": like, "likes": ("", like[1] + "s" * third), "thing": draw(THINGS, rng),
        "verb": (verb.zh, verb.base), "verbs": ("", verb.third if third else verb.base),
        "verbed": ("", verb.past), "noun": (noun.zh, ""), "nouns": ("", noun.bare),
        "one": (noun.measure + noun.zh, noun.one), "counted": counted(number, noun),
        "painted": counted(number, NOUNS[rng.choice(PAINTED.split("|"))], draw(COLOURS, rng)),
        "quality": draw(noun.qualities, rng), "habit": draw(HABITS, rng), "past": draw(PAST, rng),
        "future": draw(FUTURE, rng), "place": draw(PLACES, rng), "where": draw(WHERE, rng)}


def draw(table, rng):
    """(Chinese, English) of one entry."""
    return tuple(rng.choice(table.split("|")).split(" ", 1))


def subject(rng):
    """(Chinese, English), and whether it takes the third person singular."""
    chinese, english = draw(WHO, rng)
    return (chinese, english.removesuffix("*")), english.endswith("*")


def counted(number, noun, colour=None):
    """So many of a noun.

    >>> counted(("三", "three"), NOUNS["cup of tea"]), counted(("一", "a"), NOUNS["car"], ("红色", "red"))
    (('三杯茶', 'three cups of tea'), ('一辆红色的车', 'a red car'))
    """
    kind = noun.one if number[1] == "a" else noun.many
    described = (colour[0] + "的", colour[1] + " ") if colour else ("", "")
    return number[0] + noun.measure + described[0] + noun.zh, f"{number[1]} {described[1]}{kind}"
