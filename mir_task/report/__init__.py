"""How far can MIR be trusted to predict SFT scores? Reads result files only; needs neither torch nor lmms-eval.

Imports go one way: ``records``, ``files``, ``tables``, ``lmms_results`` (what a file says) -> ``load`` ->
``checkpoint``, ``compare``, ``averages`` (which numbers belong together) -> ``association``, ``choice``,
``concordance``, ``influence``, ``regress``, ``combined``, ``pool`` (how they relate) -> ``verdict`` -> ``analysis``
(all findings) -> ``figures``, ``gallery``, ``page``, ``write`` -> ``publish`` (for leaderboards and model cards) ->
``options``, ``cli``.
"""
