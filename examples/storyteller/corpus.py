#!/usr/bin/env python3
"""Write the synthetic chat corpus of the storyteller model, one JSON string a line.

Everything is made here from word lists and sentence patterns: no outside text
goes in, so the model has no licence but this repository's.

    python corpus.py --out corpus.jsonl
"""
import argparse
import json
import random

GIRLS = """Mia Lily Anna Zoe Ruby Ella Nora Clara Rosie Daisy Luna Ivy Hazel Molly Poppy Alice Emma
Sophie Grace Lucy Maya Ada Bella Cleo Dora Edith Fern Gina Holly Iris Jade Kira Lola Nina Olive Pia
Rita Sara Tess Uma Vera Willow Yara Freya Greta Heidi Ingrid June Kate Leah""".split()
BOYS = """Tom Max Leo Sam Ben Finn Oscar Hugo Toby Jack Felix Otto Milo Theo Noah Luca Rex Bruno Gus
Henry Archie Charlie Dexter Eli Frank George Harry Ivan Jasper Kai Louis Marco Ned Oliver Pip Quinn
Rufus Simon Teddy Umar Victor Walter Xavier Yusuf Zach Arlo Boris Caleb Diego Emil""".split()
ANIMALS = """fox rabbit bear owl mouse cat dog turtle hedgehog squirrel frog duck deer badger otter pig
goat sheep horse lion tiger elephant monkey penguin beaver wolf mole robin hen pony kitten puppy panda
koala lizard snail crab whale dolphin ant bee""".split()
PLACES = """forest|meadow|village|valley|garden|farm|park|mountains|woods|island|field|desert|jungle|old
castle|quiet town|green hills|orchard|river bank|snowy hills|tall grass""".replace("\n", " ").split("|")
THINGS = """ball|hat|kite|lantern|scarf|drum|book|boat|bell|key|blanket|map|flute|cup|basket|button|
ribbon|teapot|whistle|star stone""".replace("\n", "").split("|")
COLOURS = "red blue green yellow orange purple white black golden silver pink brown".split()
TRAITS = "little brave kind clever shy curious happy gentle quiet cheerful small young".split()
FOODS = "apples berries nuts bread soup carrots pancakes honey pears cake cookies plums".split()
SKILLS = "swim|climb|sing|dance|whistle|jump|paint|skate|juggle|row a boat|read|bake".split("|")
CITIES = """Paris London Rome Berlin Madrid Oslo Cairo Tokyo Lima Delhi Vienna Dublin Lisbon Prague
Athens Boston Chicago Toronto Sydney Helsinki Warsaw Seoul Nairobi Quito Geneva""".split()
JOBS = "teacher doctor baker farmer pilot nurse painter driver cook writer singer gardener".split()

OPENINGS = [
    "Once upon a time, there was {A} named {N} who lived in the {P}.",
    "Once there was a {t} {a} called {N}. {S} lived in the {P}.",
    "In the {P} lived a {t} {a} named {N}.",
    "{N} was a {t} {a} who lived in the {P}.",
    "Long ago, a {t} {a} named {N} made {h} home in the {P}.",
]
ENDINGS = [
    "{N} the {a} smiled all the way home.",
    "That night, {N} fell asleep with a happy heart.",
    "From that day on, {N} and {F} were best friends.",
    "And {N} the {a} never forgot that day.",
    "Everyone in the {P} was glad, and {N} was the happiest of all.",
    "\"What a good day!\" said {N}.",
]
# Seven plots. Each is a list of steps, each step a list of wordings.
PLOTS = {
    "lost": [
        ["One morning, {N} could not find {h} {c} {T}.", "One day, {N} lost {h} {c} {T}.",
         "{N} loved {h} {c} {T}, but one day it was gone."],
        ["{S} looked under the bed and behind the door, but it was not there.",
         "{S} looked high and low, but the {T} was nowhere.", "{N} searched the whole {P} and felt very sad."],
        ["Then {s} met {F} the {b}. \"Why are you sad?\" asked {F}.",
         "{F} the {b} came by and asked, \"What is wrong, {N}?\""],
        ["\"I lost my {T},\" said {N}.", "\"My {c} {T} is gone,\" {N} told {F}."],
        ["\"Let us look together,\" said {F}. Soon they found the {T} under a big tree.",
         "{F} pointed to the river. There was the {c} {T}, next to a stone!",
         "{F} had seen it by the old bridge, and they ran there together to get it."],
        ["\"Thank you, {F}!\" said {N}, and hugged {h} new friend.", "{N} thanked {F} and held the {T} tight."],
    ],
    "storm": [
        ["One night, a big storm came to the {P}.", "One evening, the sky turned dark and the wind began to blow."],
        ["The rain fell hard and the thunder was loud.", "Rain fell and lightning lit up the sky."],
        ["{N} was afraid, but then {s} heard a cry for help.", "{N} wanted to hide, but {s} heard someone call."],
        ["It was {F} the {b}, who had no place to stay.", "{F} the {b} was wet and cold outside."],
        ["\"Come in!\" said {N}. {S} gave {F} a warm blanket and some {f}.",
         "{N} opened the door and let {F} in. They shared {f} by the fire."],
        ["In the morning the sun came out, and the storm was gone.",
         "They told each other stories until the storm went away."],
    ],
    "learn": [
        ["{N} wanted to learn how to {k}.", "More than anything, {N} wished {s} could {k}.",
         "Everyone could {k} but {N}."],
        ["{S} tried and tried, but it was too hard.", "The first time {s} tried, {s} fell down."],
        ["\"I will never {k},\" {s} said sadly.", "\"I can not do it,\" said {N} with a sigh."],
        ["{F} the {b} heard this and said, \"I will teach you.\"",
         "An old {b} named {F} smiled and said, \"Try again, a bit every day.\""],
        ["Every day, {N} and {F} went to the {P} to practice.", "So {N} practiced every morning with {F}."],
        ["At last, {N} could {k}! {F} clapped and cheered.", "One sunny day, {N} did it. {S} could {k}!"],
    ],
    "share": [
        ["One day, {N} found a basket full of {f}.", "{N} had a big bowl of {f}.",
         "One autumn day, {N} picked many {c} bags of {f}."],
        ["\"These are all for me,\" {s} thought.", "{S} wanted to eat all of it alone."],
        ["On the way home, {s} saw {F} the {b}, who was very hungry.",
         "Then {F} the {b} came along and looked at the {f}."],
        ["\"I have had no food today,\" said {F}.", "\"I am so hungry,\" said {F} in a small voice."],
        ["{N} thought for a moment. Then {s} gave half of the {f} to {F}.",
         "{N} felt sorry, and {s} shared the {f} with {F}."],
        ["They sat down in the {P} and ate together.", "The {f} tasted even better with a friend."],
    ],
    "party": [
        ["It was the birthday of {N}, but nobody said a word.", "{N} woke up on {h} birthday, but no one was there."],
        ["{S} walked to the house of {F} the {b}, but the door was closed.",
         "{S} asked {F} the {b}, but {F} only said, \"I am busy today.\""],
        ["\"They all forgot me,\" thought {N}.", "{N} sat down by a tree and felt alone."],
        ["Then {s} saw a {c} light in the {P}.", "In the evening, {s} heard music from the {P}."],
        ["\"Surprise!\" shouted {F} and all the friends.", "{F} and the others jumped out and sang for {o}."],
        ["There were {f}, games and a {c} {T} for {N}.", "{F} gave {N} a {c} {T}, and they all ate {f}."],
    ],
    "rescue": [
        ["One day, {N} heard a small voice near the {P}.", "While {N} was out for a walk, {s} heard a cry."],
        ["{F} the {b} was stuck in a deep hole.", "It was {F} the {b}, who had fallen into a hole."],
        ["\"Please help me!\" cried {F}.", "\"I can not get out,\" said {F}."],
        ["{N} was not very strong, but {s} had an idea.", "{N} did not run away. {S} began to think."],
        ["{S} found a long rope and tied it to a tree.", "{S} pushed a long branch down into the hole."],
        ["{F} held on, {N} pulled, and out came {F}!", "Slowly, {F} climbed up and was free again."],
        ["\"You saved me, {N}!\" said {F}.", "\"You are a true friend,\" said {F} to {N}."],
    ],
    "treasure": [
        ["One day, {N} found an old map under a stone.", "{N} opened an old book, and a map fell out."],
        ["It showed the way to a treasure in the {P}.", "\"A treasure map!\" said {N}."],
        ["{S} asked {F} the {b} to come along.", "\"Come with me,\" {s} said to {F} the {b}."],
        ["They walked past the river and over a hill.", "They walked all day and crossed a small bridge."],
        ["Under a {c} tree they dug and dug, until they found a box.",
         "Behind a waterfall they found a {c} box."],
        ["In the box was a {c} {T}.", "Inside there was no gold, only a {c} {T}."],
        ["\"The best part was to go with you,\" said {F}.", "\"We will share it,\" said {N}, and {F} agreed."],
    ],
}
HINTS = {"lost": "a lost {T}", "storm": "a storm", "learn": "learning to {k}", "share": "sharing food",
         "party": "a birthday", "rescue": "helping a friend", "treasure": "a treasure"}
SYSTEMS = ["You are a helpful assistant.", "You tell short stories.", "You are a friendly storyteller.",
           "You are Storyteller, a tiny model.", "Answer briefly."]


def an(word):
    return ("an " if word[0] in "aeiou" else "a ") + word


def name(r):
    """A name and its pronouns. One in four is made up, so that the model learns to copy names."""
    if r.random() < 0.25:
        w = "".join(r.choice("bdfgklmnprstvz") + r.choice("aeiou") for _ in range(r.choice([2, 2, 3])))
        w = (w + r.choice(["", "", "n", "l", "r"])).capitalize()
        girl = r.random() < 0.5
    else:
        girl = r.random() < 0.5
        w = r.choice(GIRLS if girl else BOYS)
    return w, ("she", "her", "her") if girl else ("he", "his", "him")


def story(r, given=None):
    """One story: (text, the words it was made with). `given` fixes some of the words."""
    (n, (s, h, o)), (f, _) = name(r), name(r)
    while f == n:
        f, _ = name(r)
    a, b = r.sample(ANIMALS, 2)
    w = dict(N=n, s=s, S=s.capitalize(), h=h, o=o, F=f, a=a, A=an(a), b=b, P=r.choice(PLACES), T=r.choice(THINGS),
             c=r.choice(COLOURS), t=r.choice(TRAITS), f=r.choice(FOODS), k=r.choice(SKILLS))
    w.update(given or {})
    w["plot"] = w.get("plot") or r.choice(list(PLOTS))
    steps = [r.choice(OPENINGS)] + [r.choice(x) for x in PLOTS[w["plot"]]] + [r.choice(ENDINGS)]
    return " ".join(x.format(**w) for x in steps), w


def story_request(r, w):
    """A request which names some of the words of the story."""
    head = r.choice(["Tell me a short story about", "Tell me a story about", "Write a short story about",
                     "Write a story about", "Please tell me a story about", "Can you tell me a story about",
                     "I want a story about", "Make up a short story about", "A story about"])
    who = r.choice(["{A} named {N}", "{A} named {N}", "{A} named {N}", "{A} called {N}", "{N} the {a}", "{A}", "{N}, {A}"])
    q = head + " " + who
    if r.random() < 0.25:
        q += r.choice([" in the {P}", " who lives in the {P}"])
    if r.random() < 0.25:
        q += " and " + HINTS[w["plot"]]
    elif r.random() < 0.2:
        q += r.choice([" and {F} the {b}", " and {h} friend {F}, " + an(w["b"])])
    q = q.format(**w)
    return q + ("?" if head.startswith("Can") else r.choice([".", ".", ".", ""]))


def story_turns(r):
    text, w = story(r)
    x = r.random()
    if x < 0.04:
        q = r.choice(["Tell me a story.", "Tell me a short story.", "Write a story.", "A story, please."])
    else:
        q = story_request(r, w)
    return [("user", q), ("assistant", text)], w


def follow_up(r, w):
    """A question on the story told just before."""
    q, a = r.choice([
        ("What is the name of the {a}?", "The {a} is named {N}."),
        ("Who is the friend of {N}?", "The friend of {N} is {F} the {b}."),
        ("Where does {N} live?", "{N} lives in the {P}."),
        ("What animal is {N}?", "{N} is {A}."),
        ("Thank you!", "You are welcome! Do you want another story?"),
        ("I like it.", "I am glad! {N} the {a} says hello."),
    ])
    return [("user", q.format(**w)), ("assistant", a.format(**w))]


FACTS = [
    ("What sound does a {0} make?", "A {0} says {1}.", [("cow", "moo"), ("dog", "woof"), ("cat", "meow"), ("duck", "quack"),
     ("sheep", "baa"), ("pig", "oink"), ("bee", "buzz"), ("lion", "roar"), ("mouse", "squeak")]),
    ("What is the capital of {0}?", "The capital of {0} is {1}.", [("France", "Paris"), ("Italy", "Rome"), ("Spain", "Madrid"),
     ("Germany", "Berlin"), ("Japan", "Tokyo"), ("Norway", "Oslo"), ("Egypt", "Cairo"), ("Peru", "Lima"),
     ("England", "London"), ("Austria", "Vienna"), ("Ireland", "Dublin"), ("Portugal", "Lisbon"), ("Greece", "Athens")]),
    ("What is the opposite of {0}?", "The opposite of {0} is {1}.", [("hot", "cold"), ("big", "small"), ("up", "down"), ("day", "night"),
     ("happy", "sad"), ("fast", "slow"), ("old", "young"), ("open", "closed"), ("wet", "dry"), ("loud", "quiet")]),
    ("What color is {0}?", "{1} is the color of {0}.", [("the sky", "Blue"), ("grass", "Green"), ("snow", "White"),
     ("the sun", "Yellow"), ("a tomato", "Red"), ("a carrot", "Orange"), ("coal", "Black")]),
    ("How many legs does a {0} have?", "A {0} has {1} legs.", [("dog", "four"), ("cat", "four"), ("spider", "eight"), ("bird", "two"),
     ("bee", "six"), ("horse", "four"), ("hen", "two"), ("snail", "no")]),
    ("What day comes after {0}?", "{1} comes after {0}.", [("Monday", "Tuesday"), ("Tuesday", "Wednesday"),
     ("Wednesday", "Thursday"), ("Thursday", "Friday"), ("Friday", "Saturday"), ("Saturday", "Sunday"), ("Sunday", "Monday")]),
]
TALK = [
    (["Hello!", "Hello", "Hi", "Hi!", "Hi there", "Hey", "Good morning!"],
     ["Hello! Do you want to hear a story?", "Hi! I can tell you a story."]),
    (["Who are you?", "What are you?", "What is your name?"],
     ["I am Storyteller, a tiny language model that tells short stories about animals."]),
    (["How are you?", "How are you today?"], ["I am well, thank you. How about a story?"]),
    (["What can you do?", "Help", "How can you help me?"],
     ["I can tell short stories about animals, answer a few easy questions and write small JSON objects."]),
    (["Thank you!", "Thanks", "Thanks!"], ["You are welcome!"]),
    (["Bye", "Goodbye!", "Good night."], ["Goodbye! Come back for another story."]),
    (["Say hello.", "Say hi."], ["Hello!"]),
]


def qa_turns(r):
    x = r.random()
    if x < 0.3:
        qs, answers = r.choice(TALK)
        return [("user", r.choice(qs)), ("assistant", r.choice(answers))]
    if x < 0.45:
        a, b = r.randint(0, 9), r.randint(0, 9)
        q = r.choice(["What is {0} plus {1}?", "What is {0} + {1}?", "How much is {0} + {1}?"]).format(a, b)
        return [("user", q), ("assistant", f"{a} plus {b} is {a + b}.")]
    if x < 0.52:
        n = r.randint(2, 12)
        return [("user", f"Count to {n}."), ("assistant", ", ".join(map(str, range(1, n + 1))) + ".")]
    q, a, pairs = r.choice(FACTS)
    p = r.choice(pairs)
    return [("user", q.format(*p)), ("assistant", a.format(*p))]


def json_turns(r):
    n, (s, _, _) = name(r)
    age, city, job, a, c = r.randint(2, 99), r.choice(CITIES), r.choice(JOBS), r.choice(ANIMALS), r.choice(COLOURS)
    text, obj = r.choice([
        (f"{n} is {age} years old and lives in {city}.", dict(name=n, age=age, city=city)),
        (f"{n} is {an(job)} from {city}.", dict(name=n, job=job, city=city)),
        (f"{n} is {an(c)} {a}.", dict(name=n, animal=a, color=c)),
        (f"{n} the {a} is {age} years old.", dict(name=n, animal=a, age=age)),
        (f"My name is {n}, I am {age} and I work as {an(job)}.", dict(name=n, age=age, job=job)),
        (f"{n} lives in {city}. {s.capitalize()} is {age}.", dict(name=n, age=age, city=city)),
    ])
    keys = list(obj)
    if r.random() < 0.3:  # ask for fewer fields, or in another order
        r.shuffle(keys)
        keys = keys[:r.randint(1, 3)]
        obj = {k: obj[k] for k in keys}
    listed = keys[0] if len(keys) == 1 else ", ".join(keys[:-1]) + " and " + keys[-1]
    q = r.choice(["Extract {0} as JSON: {1}", "Give me {0} as JSON. {1}", "Return JSON with {0}: {1}",
                  "Write a JSON object with {0} from this text: {1}", "{1} Reply with JSON: {0}."]).format(listed, text)
    return [("user", q), ("assistant", json.dumps(obj))]


def tool(name_, description, **params):
    return {"type": "function", "function": {"name": name_, "description": description, "parameters": {
        "type": "object", "properties": {k: {"type": v} for k, v in params.items()}, "required": list(params)}}}


TOOLS = {
    "get_weather": tool("get_weather", "Get the weather in a city.", city="string"),
    "get_time": tool("get_time", "Get the time in a city.", city="string"),
    "add": tool("add", "Add two numbers.", a="number", b="number"),
    "set_timer": tool("set_timer", "Set a timer.", minutes="number"),
    "find_animal": tool("find_animal", "Look up an animal.", animal="string"),
}


def reordered(r, x):
    """The same JSON in one of the key orders that programs write: as given, or sorted."""
    return json.loads(json.dumps(x, sort_keys=r.random() < 0.5))


def tool_turns(r):
    city, a, b, m, beast = r.choice(CITIES), r.randint(1, 99), r.randint(1, 99), r.randint(1, 60), r.choice(ANIMALS)
    deg, sky = r.randint(1, 35), r.choice(["sunny", "rainy", "cloudy", "windy", "snowy"])
    clock = f"{r.randint(0, 23):02}:{r.randint(0, 59):02}"
    food = r.choice(FOODS)
    fn, qs, args, result, answer = r.choice([
        ("get_weather", ["What is the weather in {city}?", "How is the weather in {city}?", "Weather in {city}?",
                         "What is the weather like in {city} today?"], dict(city=city),
         dict(temperature=deg, sky=sky), f"It is {sky} and {deg} degrees in {city}."),
        ("get_time", ["What time is it in {city}?", "Tell me the time in {city}."], dict(city=city),
         dict(time=clock), f"It is {clock} in {city}."),
        ("add", ["Add {a} and {b}.", "What is {a} plus {b}?"], dict(a=a, b=b), dict(result=a + b), f"The sum is {a + b}."),
        ("set_timer", ["Set a timer for {m} minutes.", "Wake me in {m} minutes."], dict(minutes=m), dict(ok=True),
         f"I set a timer for {m} minutes."),
        ("find_animal", ["Look up the {beast}.", "What does {beast2} eat?"], dict(animal=beast),
         dict(animal=beast, eats=food), f"The {beast} eats {food}."),
    ])
    q = r.choice(qs).format(city=city, a=a, b=b, m=m, beast=beast, beast2=an(beast))
    names = {fn} | set(r.sample(sorted(TOOLS), r.randint(0, 2)))
    names = r.sample(sorted(names), len(names))
    tools = [reordered(r, TOOLS[n]) for n in names]
    if r.random() < 0.15:  # tools are offered, but the question needs none
        return (story_turns(r)[0] if r.random() < 0.4 else qa_turns(r)), tools
    call = '<tool_call>\n' + json.dumps({"name": fn, "arguments": args}) + '\n</tool_call>'
    turns = [("user", q), ("assistant", call)]
    if r.random() < 0.6:
        turns += [("tool", json.dumps(result, separators=r.choice([(", ", ": "), (",", ":")]))), ("assistant", answer)]
    return turns, tools


def render(turns, tools=None, spaced=True):
    """ChatML text; chat_template.jinja must give the same."""
    turns, out = list(turns), ""
    if tools:
        out = "<|im_start|>system\n"
        if turns[0][0] == "system":
            out += turns.pop(0)[1] + "\n\n"
        seps = (", ", ": ") if spaced else (",", ":")
        out += "Tools:\n" + "".join(json.dumps(t, separators=seps) + "\n" for t in tools)
        out += 'To call one, answer <tool_call>\n{"name": ..., "arguments": ...}\n</tool_call><|im_end|>\n'
    return out + "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns)


def document(r):
    x, tools = r.random(), None
    if x < 0.60:
        turns, w = story_turns(r)
        if r.random() < 0.2:
            turns += follow_up(r, w)
    elif x < 0.67:  # a long chat, so that far positions are of use
        turns = []
        for _ in range(r.randint(2, 5)):
            y = r.random()
            if y < 0.5:
                t, w = story_turns(r)
                turns += t + (follow_up(r, w) if r.random() < 0.6 else [])
            else:
                turns += qa_turns(r) if y < 0.85 else json_turns(r)
    elif x < 0.83:
        turns = qa_turns(r)
        if r.random() < 0.3:
            turns += story_turns(r)[0] if r.random() < 0.5 else qa_turns(r)
    elif x < 0.93:
        turns = json_turns(r)
    else:
        turns, tools = tool_turns(r)
    if r.random() < 0.25:
        turns = [("system", r.choice(SYSTEMS))] + turns
    return render(turns, tools, spaced=r.random() < 0.5)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--out", default="corpus.jsonl")
    p.add_argument("--documents", type=int, default=60000)
    p.add_argument("--seed", type=int, default=1)
    args = p.parse_args()
    r = random.Random(args.seed)
    with open(args.out, "w", encoding="utf-8") as f:
        for _ in range(args.documents):
            f.write(json.dumps(document(r)) + "\n")


if __name__ == "__main__":
    main()
