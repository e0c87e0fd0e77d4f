"""Closed word classes of English and Chinese: words that carry grammar, and words that turn a meaning round."""

from __future__ import annotations

_NEGATION_WORDS = """
no not never none nobody nothing neither nor nowhere cannot without hardly barely scarcely unless
except 不 没 没有 无 非 未 别 勿 莫 否 不是 不要 不会 不能 不可 不得 不必 不用 不再 从不 从未 毫无 并非
绝非 未必 未曾 难以 禁止 拒绝 除非 除了
"""

_NEGATING_CHARACTERS = "不没未无"
_NO_NEGATION_WORDS = "不过 不仅 不但 不管 不断 不久 不同 不少 不如 没准 未来 未免 无论 无数 无非"

_ENGLISH_WORDS = """
a an the this that these those some any each every either both all such own same other another much
many more most few fewer less least several enough i me my mine myself you your yours yourself
yourselves he him his himself she her hers herself it its itself we us our ours ourselves they them
their theirs themselves one ones who whom whose which what where when why how whether if because since
although though while until till as than and or but so yet for of at by with about against between into
through during before after above below to from up down in out on off over under again further then
once here there be am is are was were been being have has had having do does did doing done will would
shall should can could may might must ought let get got gets getting go goes going went gone also too
very just only even still already ever quite rather really please yes ok okay oh hi hello hey thanks
via per upon within among along across around toward towards besides ll ve re s t d m
"""

_CHINESE_WORDS = """
的 地 得 了 着 过 吗 呢 吧 啊 呀 嘛 哦 哈 啦 哇 呗 么 之 所 者 也 都 就 才 又 再 还 很 太 更 最 只 便
却 并 而 且 但 和 与 及 或 跟 同 在 于 从 自 到 向 往 对 把 被 让 给 为 以 由 用 按 因 若 如 虽 即 是
有 要 会 能 可 该 应 想 我 你 您 他 她 它 咱 我们 你们 他们 她们 它们 咱们 自己 大家 这 那 哪 谁 什么
怎么 怎样 如何 为什么 多少 几 这个 那个 哪个 这些 那些 这样 那样 这里 那里 哪里 一 二 两 三 四 五 六 七
八 九 十 百 千 万 亿 个 些 种 次 件 条 只有 因为 所以 但是 可是 不过 而且 如果 虽然 然后 以及 或者 还是
就是 也是 可以 应该 已经 正在 曾经 非常 一个 一些 一样 时候 的话 请 请问 谢谢
"""

_NEGATIONS = frozenset(_NEGATION_WORDS.split())
_NO_NEGATIONS = frozenset(_NO_NEGATION_WORDS.split())
_FUNCTION_WORDS = frozenset(f"{_ENGLISH_WORDS} {_CHINESE_WORDS}".split())


def is_negation(word: str) -> bool:
    """Return whether a word turns the meaning of others round; it is never deleted, moved or replaced."""
    lowered = word.lower().replace("\u2019", "'")
    if lowered[:1] in _NEGATING_CHARACTERS and lowered not in _NO_NEGATIONS:
        return bool(lowered)  # 不屑, 没用, 未婚, 无聊
    return lowered in _NEGATIONS or lowered.endswith("n't")


def is_content(word: str) -> bool:
    """Return whether a word carries meaning of its own, and no negation."""
    lowered = word.lower()
    return not (is_negation(word) or lowered in _FUNCTION_WORDS or "'" in lowered)
