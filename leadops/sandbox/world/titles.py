"""What people are at work, as they type it, and what that means for a sale."""

from __future__ import annotations

LEVELS = {"c_level": 6, "vp": 9, "director": 15, "manager": 27, "individual": 33, "student": 5, "none": 5}
"""Level -> how many leads in a hundred. ``none``: the field was left empty."""
DRAW = {
    "c_level": 0.6,
    "vp": 0.75,
    "director": 0.55,
    "manager": 0.15,
    "individual": -0.3,
    "student": -1.6,
    "none": -0.5,
}
"""Added to the log-odds of getting in touch."""

_ENGLISH = {
    "c_level": ("CEO", "CFO", "COO", "Chief Data Officer", "Founder", "Co-Founder & CTO"),
    "vp": ("VP Operations", "VP Marketing", "SVP, Finance", "VP of Sales", "V.P. Analytics"),
    "director": ("Head of Data", "Director of BI", "Director, Revenue Operations", "head of analytics"),
    "manager": ("Marketing Manager", "Finance Manager", "BI Team Lead", "Product Manager", "MANAGER"),
    "individual": ("Analyst", "Data Engineer", "Senior Data Analyst", "Consultant", "Controller"),
    "student": ("Intern", "Student", "Working Student Analytics"),
    "none": ("",),
}
_OTHERS: dict[str, dict[str, tuple[str, ...]]] = {
    "de": {
        "c_level": ("Geschäftsführer", "Geschäftsführerin", "Vorstand"),
        "director": ("Leiterin Controlling", "Bereichsleiter Vertrieb"),
        "student": ("Werkstudent", "Praktikantin"),
    },
    "fr": {"c_level": ("PDG", "Gérant"), "director": ("Directrice marketing",), "student": ("Stagiaire",)},
    "es": {"c_level": ("Director General",), "manager": ("Gerente de Finanzas", "Jefa de Ventas")},
    "pt": {"c_level": ("Sócio",), "director": ("Diretora de Operações",), "individual": ("Analista",)},
    "it": {"director": ("Direttore commerciale",), "c_level": ("Titolare",)},
}


def titles(level: str, language: str) -> tuple[str, ...]:
    """Every title of a level that somebody with this language may type."""
    return _ENGLISH[level] + _OTHERS.get(language, {}).get(level, ())
