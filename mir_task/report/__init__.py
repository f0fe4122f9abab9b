"""How far can MIR be trusted to predict SFT scores? Reads result files only; needs neither torch nor lmms-eval.

Imports go one way: ``records`` and ``files``, ``tables``, ``lmms_results`` (what a file says) -> ``load`` ->
``compare``, ``averages`` (which numbers belong together) -> ``association``, ``choice``, ``pool`` (what they say) ->
``verdict`` -> ``figures``, ``page`` -> ``cli``.
"""
