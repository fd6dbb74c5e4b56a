"""Texts of many kinds for comparing embedders: languages and scripts, what is no word, and lengths up to the model's limit."""

SENTENCES = (
    "Aspirin thins the blood.", "Der Notfallwagen steht auf Station 7.", "La dose est réduite de moitié.", "El paciente no tiene alergias conocidas.",
    "血圧は毎朝測定してください。", "中文字符", "Блокаторы бета-рецепторов", "يُقاس ضغط الدم كل صباح", "रक्तचाप रोज़ मापें", "ความดันโลหิต", "Η δόση μειώνεται", "혈압을 측정하세요",
    "é\u0301 \u200b 😀🩺", "[CLS] [SEP] [MASK]", "a" * 500, "x", "...", "<p>dose &amp; route</p>", "| a | b |\n|---|---|\n| 1 | 2 |", "\ttabs\r\nand lines\n\n",
    "ICD-10 I21.9; eGFR 29 ml/min/1.73 m²; K⁺ 5.9 mmol/l",
)  # fmt: skip
LONG = tuple(f"Patient number {i} was given {i} milligrams of metoprolol. " * (1 + i % 15) for i in range(0, 45, 3))
TEXTS = (*SENTENCES, *LONG, "dose " * 254)
