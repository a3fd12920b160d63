"""Names people really have: several scripts, particles, apostrophes, hyphens, one word, very short ones.

Each culture: (first name, how an address would spell it) pairs, and the same for family names.
"""

from __future__ import annotations


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    """``name`` or ``name=spelling``, apart by commas."""
    found = []
    for part in text.split(","):
        name, _, latin = part.strip().partition("=")
        found.append((name, latin or _latin(name)))
    return tuple(found)


_PLAIN = str.maketrans(
    "áàâãäåéèêëíìîïóòôõöøúùûüçñýłńśźżćęąßœ",
    "aaaaaaeeeeiiiioooooouuuucnylnszzceaso",
)


def _latin(name: str) -> str:
    return "".join(c for c in name.lower().translate(_PLAIN) if c.isascii() and c.isalpha())


NAMES = {
    "english": (
        _pairs(
            "Emily, Marcus, Grace, Tyler, Amelia, Daniel, Hannah, Jordan, Olivia, Ethan, Chloe, Nathan, "
            "Mary Ann, Jean-Luc, Sam, Al, Kayla, Devon, Rachel, Owen, Priscilla, Theodore"
        ),
        _pairs(
            "Carter, Webb, Hughes, Nguyen, Morales, Whitfield, Sutton, Patel, Reid, Baker-Jones, "
            "St. Clair, McAllister, Fitzgerald, Kowalczyk, Okafor, Stone, Lee, Ng, Hollis, Vance, "
            "Abernathy, Washington"
        ),
    ),
    "irish": (
        _pairs("Liam, Aoife, Niamh, Sean, Ciarán, Saoirse, Declan, Orla"),
        _pairs("O'Connor, O'Brien, Murphy, Ní Bhriain, MacCarthy, Byrne, D’Arcy=darcy"),
    ),
    "german": (
        _pairs("Anna, Jonas, Lena, Maximilian, Käthe, Jörg, Sabine, Hans-Peter, Ayşe=ayse, Günter, Mira"),
        _pairs(
            "Keller, Müller, von der Heide, Schäfer, Groß, Yılmaz=yilmaz, Zimmermann, "
            "zu Löwenstein, Weiß, Brandt, Öztürk=oeztuerk"
        ),
    ),
    "french": (
        _pairs("Camille, Étienne, Zoé, Jean-Baptiste, Anaïs, Mathieu, Aïcha, Loïc, Margaux"),
        _pairs("Laurent, de La Fontaine, Lefèvre, D'Angelo, Benali, Le Goff, Çelik=celik, Dubois"),
    ),
    "spanish": (
        _pairs("Sofía, Martín, Lucía, José María, Íñigo, Ximena, Andrés, Valentina, Begoña, Joaquín"),
        _pairs(
            "Martínez, García López, de la Cruz, Ibáñez, Peña, Núñez, Rodríguez, Etxeberria, "
            "Fernández de Córdoba, Ortiz"
        ),
    ),
    "portuguese": (
        _pairs("João, Beatriz, Thiago, Conceição, Luís, Mariana, Antônio, Inês, Caio"),
        _pairs("Almeida, dos Santos, da Silva, Gonçalves, Araújo, e Souza, Figueiredo, Guimarães"),
    ),
    "italian": (
        _pairs("Giulia, Niccolò, Chiara, Matteo, Beatrice, Lorenzo, Desirée"),
        _pairs("D'Amico, Rossi, Dell'Acqua, Esposito, De Luca, Bianchi, Lo Presti"),
    ),
    "dutch": (
        _pairs("Noah, Sanne, Daan, Femke, Bram, Fleur, Jeroen"),
        _pairs("van Dijk, de Vries, van den Berg, 't Hart, Jansen, ter Haar, Visser"),
    ),
    "polish": (
        _pairs("Mateusz, Zofia, Łukasz=lukasz, Agnieszka, Grzegorz, Małgorzata, Paweł"),
        _pairs("Kowalski, Wójcik, Szczepańska, Dąbrowski, Nowak-Lis, Wiśniewska"),
    ),
    "swedish": (
        _pairs("Astrid, Björn, Åsa=asa, Linnéa, Göran, Elin"),
        _pairs("Lindqvist, Åkesson=akesson, Öberg=oberg, Nyström, af Klint, Holm"),
    ),
    "greek": (
        _pairs("Ελένη=eleni, Γιώργος=giorgos, Μαρία=maria, Νίκος=nikos"),
        _pairs("Παπαδοπούλου=papadopoulou, Οικονόμου=oikonomou, Νικολαΐδης=nikolaidis"),
    ),
    "southern_african": (
        _pairs("Zanele, Thabo, Lerato, Pieter, Nomvula, Sipho"),
        _pairs("Dlamini, Nkosi, van der Merwe, Mokoena, Naidoo, Du Plessis"),
    ),
    "west_african": (
        _pairs("Chidi, Ngozi, Oluwaseun, Aminata, Tunde, Ifeoma"),
        _pairs("Okonkwo, Adébáyọ̀=adebayo, Eze, Balogun, Nwachukwu-Ojo"),
    ),
    "arabic": (
        _pairs("أحمد=ahmed, فاطمة=fatima, Youssef, Layla, محمد=mohamed, Nour"),
        _pairs("المصري=elmasry, Al-Farsi, حسن=hassan, bin Rashid, El Sayed"),
    ),
    "indian": (
        _pairs("Priya, Arjun, Lakshmi, अनिल=anil, Divya, Rohan, S. Meenakshi, Venkatesh"),
        _pairs("Nair, Sharma, Venkataraghavan, शर्मा=sharma, Singh, Krishnamurthy, Iyer"),
    ),
    "japanese": (
        _pairs("裕子=yuko, Yuki, 健太=kenta, 美咲=misaki, 大輔=daisuke, Haruka"),
        _pairs("田中=tanaka, 佐藤=sato, 鈴木=suzuki, 高橋=takahashi, Watanabe"),
    ),
    "chinese": (
        _pairs("伟=wei, 秀英=xiuying, 磊=lei, 婷婷=tingting"),
        _pairs("王=wang, 李=li, 张=zhang, 欧阳=ouyang"),
    ),
    "chinese_latin": (
        _pairs("Wei Ling, Jia Hao, Hui Min, Kelvin, Siti, Arun"),
        _pairs("Tan, Lim, Ng, Goh, binte Ahmad, Chua"),
    ),
    "korean": (
        _pairs("지우=jiwoo, 민준=minjun, Seo-yeon, 하은=haeun"),
        _pairs("김=kim, 이=lee, 박=park, Choi"),
    ),
}

COMPANIES = (
    ("Harbour Freight", "Systems Logistics Lines Group"),
    ("Brightfield", "Clinics Health Diagnostics Care"),
    ("Ostra", "Robotics Automation Dynamics Labs"),
    ("Cedar & Pine", "Interiors Home Furniture Supply"),
    ("Quantile", "Insurance Capital Analytics Risk"),
    ("Fjord", "Logistics Shipping Seafood Energy"),
    ("Maple Street", "Foods Bakery Retail Markets"),
    ("Volta", "Charging Mobility Motors Grid"),
    ("Alder", "Print Media Packaging Books"),
    ("Nimbus", "Payroll Software Cloud Networks"),
    ("Kestrel", "Aviation Insurance Partners Security"),
    ("Tessellate", "Design Software Studio Games"),
    ("Grünwald", "Maschinenbau Technik Pharma Werke"),
    ("Soleil & Fils", "Distribution Cosmétiques Textiles Conseil"),
    ("Aurora", "Learning Biotech Hotels Travel"),
    ("Blue Heron", "Consulting Water Finance Foods"),
    ("Northgate", "Retail Steel Property Legal"),
    ("Paloma", "Fashion Telecom Wines Media"),
    ("Sakura", "Electronics Trading Instruments Foods"),
    ("Ubuntu", "Farms Health Energy Finance"),
)
"""A stem and what may follow it."""
