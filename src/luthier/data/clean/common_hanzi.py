"""Which Chinese characters are common: what tells text from the noise of a wrong encoding."""

from __future__ import annotations

MOST_FREQUENT = frozenset(
    "一万三上下不与专且世业东两严个中为主举么义之乐也乡书了争事二于五亚些交产京亲人什今从他代令以们件价任"
    "企众会传但位低住体何余作你使便保信倒候值做像儿元先光克党入全八公六共关兴兵其具内再军农决况准几出击分"
    "切划列则创初利别到制前副力办功加务动势包化北区十千半华单南占即却历原去县参又及双反发取受变口古另只叫"
    "可台史号司吃各合同名后向听告员周命和品响商器四回因团国图土在地场均型城基境增士声处备复外多大天太夫央"
    "失头女她好如始委子字存学它安完官定宝实客宫家容富察对导将小少尔就局居展属山州工左己已巴市布师帝带常干"
    "平年并广应底府度建开式引张强当形影往很律得德心必志快怎思性总息情想意感成我或战房所手才打批技把投护报"
    "拉持指按据接推提支收改放政故教数整文斗料断斯新方施族无日早时明易星是显更曾最月有服望朝期木未本术机权"
    "李村条来极构林果查标校样根格案次正此步武死段每比民气水求汉江没河治法洲活派流济海消深清游湖源满火点热"
    "然照爱片物特率王环现球理甚生用由电界病白百的皇目直相省看真眼着知石研确示社神离种科积称程究空突立站笑"
    "第等算管米类精系素红约级纪线组织经结给统维编网罗置美群老考者而职联股育能自至般色节花若英药营落虽行表"
    "被装西要见观规视觉解言计认让议记许论设证识试话该语说请调象责质费资走起越足跟路身车转轻较边达过运近还"
    "这进远连选通速造道那部都采里重量金铁长门问间队防阳际院除随难集需青非面革音项领题风飞食首马高鱼黄黑龙"
)
"""600 characters that make up 77 % of running Chinese text, counted over the word frequencies of jieba's dictionary."""


def _decoded(encoding: str, leads: range, trails: range) -> frozenset[str]:
    codes = (bytes([lead, trail]) for lead in leads for trail in trails)
    return frozenset(code.decode(encoding, "ignore") for code in codes) - {""}


FIRST_LEVEL = _decoded("gb2312", range(0xB0, 0xD8), range(0xA1, 0xFF))
"""The 3,755 characters of GB 2312's first level: all that everyday simplified Chinese is written with."""

EVERYDAY = FIRST_LEVEL | _decoded("big5", range(0xA4, 0xC7), range(0x40, 0xFF))
"""The same with Big5's 5,401 frequent characters, for traditional Chinese."""
