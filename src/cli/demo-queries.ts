/**
 * The demo's support queries. This file is data, and so longer than others: one line a query, by the category its
 * author had in mind (which nobody is told: the classifier has to find it). All of them were made up for this project;
 * shops, banks, products, people and numbers do not exist. `Subject || text` makes both fields.
 */
import type { SourceDocument } from "../store.ts";
import { DEMO_CONVERSATIONS } from "./demo-conversations.ts";

const QUERIES: Readonly<Record<string, readonly string[]>> = {
  account_access: [
    "I cant log in",
    "password",
    "Locked out again || Third time this week your app says my password is wrong. It is not wrong. I copied it from my password manager. Please unlock marta.k@example.com",
    "Hi, I changed phones and now the 6-digit codes go to the old one, which is at the bottom of a lake. How do I get back into my account?",
    "The reset link says it has expired even when I click it ten seconds after the mail arrives.",
    "never got the reset email, checked spam, checked everything. username is otterfan88",
    "CAN NOT SIGN IN!!! I HAVE A FLIGHT IN 3 HOURS AND MY BOARDING PASS IS IN THERE. BOOKING QX7L2P",
    "Two-factor problem || After the update the authenticator code is rejected every time. Clock on the phone is automatic. Backup codes are in the office, which is closed until monday.",
    "my face doesnt unlock the banking app any more since I shaved lol, and I forgot the pin",
    "Single sign-on broken for 40 people || Since 8:10 today nobody in our company can sign in to Planfold through our identity provider: error AUTH-511, audience mismatch. Nothing changed on our side. We are standing still.",
    "how long does the lock last after too many attempts? I'd rather wait than answer security questions",
    "The captcha. Traffic lights. Forever. I am a human being, let me in 😩",
    "my mum (81) wants to read her phone bill online but has no mobile for the code. other way to sign in?",
    "Ich komme nicht mehr in mein Konto, das Passwort wird nicht angenommen und die E-Mail zum Zurücksetzen kommt nie an.",
    "Konto gesperrt || Guten Tag, nach drei Fehlversuchen ist mein Onlinebanking gesperrt. Ich muss heute noch die Miete überweisen. Wie bekomme ich den Zugang zurück?",
    "Impossible de me connecter depuis hier soir, j'ai réinitialisé mon mot de passe deux fois et toujours « identifiants incorrects ».",
    "no puedo entrar a mi cuenta, me pide un código que llega a un teléfono que ya no tengo",
    "şifremi unuttum, sıfırlama maili gelmiyor",
    "لا أستطيع تسجيل الدخول إلى حسابي، يقول إن كلمة المرور غير صحيحة مع أنها صحيحة",
    "パスワードを再設定したのにログインできません。至急対応をお願いします。",
    "密码忘了，手机号也换了，怎么登录？",
  ],
  account_management: [
    "How do I change the email on my account?",
    "We got married! || And now my last name is different. Which papers do you need to change it on my account and my bank card?",
    "close my account. today. and confirm in writing",
    "please delete everything you have about me under data protection law, customer no. 70-3381",
    "I have two accounts by accident (one with a dot in the mail address). Can you merge them so that I keep my points?",
    "moved house, new address is 12 Juniper Walk, pls update for everything",
    "Opening a youth account || My son turns 14 in March. Can I open a current account for him online or do we have to come to the branch?",
    "Add a colleague as administrator? I only find 'viewer' and 'editor' under Settings > People.",
    "My father died in August. I need to close his phone contract and his account and I do not know where to start.",
    "wanna change my username, 'sk8erboi99' isn't getting me hired",
    "Ich möchte meine Adresse ändern, finde im Kundenbereich aber kein Feld dafür.",
    "Quiero cambiar el titular del contrato de la línea, ahora la paga mi hija.",
    "हाय, मुझे अपने खाते में मोबाइल नंबर बदलना है, कैसे करूँ?",
  ],
  billing_payment: [
    "Charged twice || You took 49.90 two times on 3 October for order LU-20931. One of them is yours to keep, the other one I would like back.",
    "why is my bill 20 more than last month",
    "invoice pls",
    "Need a VAT invoice with our company name and tax number for order 8841-77, accounting is closing the month on Friday.",
    "My card was declined four times but there is plenty of money on it. The bank says they never saw a request from you.",
    "What is this MERIDIAN ADJ FEE 4.50 on my statement?",
    "the discount code HELLO15 did not come off the total. it said applied!! then it charged me full price",
    "Payment pending for 6 days || Status says 'processing'. Money left my account on Monday. Either take it or give it back, but don't let it hang in the air.",
    "You billed me for roaming in a country I have never been to. Line ending 41.",
    "Do you do instalments? The washing machine just died and 600 at once is hard this month",
    "Late fee || I paid on the 28th, the due date was the 30th, and you still added a late fee of 12.00. See attached receipt.",
    "Hello, the receipt for my taxi to the airport shows 0.00. My employer will not refund 0.00 🙂 Can you send the right one?",
    "cant add a new card, button 'save' stays grey whatever i do",
    "Transfer sent to wrong person!! I typed the account number wrong, 1,450, ten minutes ago, can you STOP it",
    "your standing order page shows dates in american order and now my rent went out on the 5th of november not on the 11th of may. explain that to my landlord",
    "when exactly do you charge the card, at order or when it ships?",
    "gift card says balance 0 but I only bought a mug with it",
    "Die Rechnung vom September ist doppelt abgebucht worden. Bitte um Rücküberweisung des zu viel bezahlten Betrags.",
    "Rechnung fehlt || Sehr geehrte Damen und Herren, zu meiner Bestellung B-77120 habe ich keine Rechnung erhalten. Ich benötige diese für die Steuer. Mit freundlichen Grüßen, H. Brandl",
    "Ik heb betaald maar de bestelling staat nog op 'wacht op betaling'. Het geld is wel van mijn rekening af.",
    "Proszę o fakturę VAT do zamówienia 55-2071, bez niej księgowa mnie zje.",
    "تم خصم المبلغ مرتين من بطاقتي، الرجاء إعادة المبلغ الزائد",
    "मेरे खाते से दो बार पैसे कट गए हैं, कृपया एक वापस करें",
    "请问怎么开发票？订单号 LM-88213",
    "O boleto venceu ontem e não consigo gerar outro no aplicativo, aparece erro 30.",
  ],
  refund_return: [
    "refund",
    "I want to send back the Tarnik headphones, left side crackles. How?",
    "Return label missing || There was no label in the box. Do I print one or will the courier bring it?",
    "Where is my money? Sent the jacket back three weeks ago (RET-5519), tracking says you have had it since the 2nd.",
    "can i return it if the box is open? only tried it once",
    "Ordered size 9, got size 6, exchange pls not refund. order #BN-40418",
    "The lamp came in about four hundred pieces. A mosaic, nearly. Photos attached. I'd like a new lamp or my money.",
    "Refund went to a card I no longer have. What happens now? The account behind it is closed.",
    "My flight was cancelled by YOU and you offer me a voucher. I don't want a voucher. I want 412.60 back on the card I paid with. Ref QX9M4T.",
    "it's day 16 and your policy says 14 but I was in hospital. any chance?",
    "The blender is fine, I just changed my mind. What do I do with it?",
    "Return rejected || You say the shoes were worn. They were worn from the sofa to the mirror. I want someone to look at it again.",
    "keep the money tbh just take this thing out of my flat. sofa, order 2209-S",
    "Ich möchte die Bohrmaschine Brask D40 zurückgeben, sie ist defekt. Bitte senden Sie mir ein Rücksendeetikett.",
    "stornieren + geld zurück",
    "Je voudrais être remboursé, le produit reçu ne correspond pas du tout à la photo.",
    "Quiero devolver unas botas que me quedan pequeñas, ¿el envío de vuelta es gratis?",
    "iade etmek istiyorum, ürün bozuk geldi",
    "أريد إرجاع المنتج واسترداد المبلغ، وصل مكسوراً",
    "商品が壊れて届きました。返品と返金をお願いします。",
    "我要退货，衣服颜色跟图片完全不一样",
  ],
  order_management: [
    "Cancel my order NL-30071 please, I ordered the wrong size.",
    "can i still add a second pillow to order 55821 before it ships",
    "Wrong address on my order || I just ordered (LU-21107) and only now see it goes to my old flat. Not shipped yet! Please change to 4 Mill Lane.",
    "did my order go through?? page froze after i hit pay and there is no mail",
    "ordered 1 got charged for 11, my keyboard sticks. PLS FIX BEFORE IT SHIPS order 90-4412",
    "Need to change the date of my hotel booking from 12-14 May to 19-21 May, same room if possible. Ref HB-2208.",
    "I'd like to order 250 of the Pelto backpacks with our logo. Who do I talk to and how long does that take?",
    "why does it say 'on hold'? it has said on hold since tuesday",
    "one item of my order was cancelled by you without a word. Why, and is it coming back?",
    "Please swap the blue mug for the green one, order MM-771",
    "seat change || We are four, two of them are children of 3 and 5, and your system has put us into four different rows. Booking ZR4K8W.",
    "Can I pick it up at the shop instead of having it delivered?",
    "Where can I see my old orders, from before 2024? They vanished from the list",
    "upgrade to business with points on QX7L9B possible?? 2 pax",
    "Pre-order of the Korvo 3 router: has the date moved again?",
    "Bitte stornieren Sie meine Bestellung B-80155, sie hat sich erledigt.",
    "Ich habe versehentlich zweimal bestellt, können Sie eine davon löschen? Nr. 60612 und 60613",
    "¿Puedo cambiar la dirección de entrega del pedido 33-118? Estoy de viaje hasta el lunes.",
    "Siparişimi iptal etmek istiyorum, numarası TR-5512",
    "注文番号 JP-3391 のキャンセルをお願いします。まだ発送されていないようです。",
  ],
  shipping_delivery: [
    "Where is my parcel?",
    "wheres my stuff",
    "It says delivered. It is not delivered. Not at the neighbour's, not in the bin, not under the mat.",
    "Tracking stuck || LM2210983 has been 'in transit' at the same depot for nine days. Has it moved in?",
    "Your driver threw my parcel over the gate into a puddle. It's a book. It was a book.",
    "ordered next day delivery, PAID for next day delivery, its day 4",
    "Do you ship to the Faroe Islands?",
    "how much is shipping for 2 chairs to an island (no bridge)",
    "Can I change the delivery to a Saturday? Nobody is home in the week. Parcel LM2211540",
    "got someone elses parcel. its dog food. i have a cat",
    "Half of my order arrived. Second half? Order NL-30122, the shelves are here but not the screws, which makes for a rather flat shelf.",
    "The courier left a card saying I wasn't home. I was home. I was STANDING AT THE DOOR. With a coffee. Waving.",
    "Need it before Friday, it is a birthday present for a six-year-old who has been counting the days 🎂 any way to speed it up?",
    "Delivery slot 8-20h is not a slot, that's a day",
    "My suitcase did not arrive with me in Lisbon. Tag 0220 QX 551903. I am at a wedding in the clothes I flew in.",
    "The new SIM card was sent to my old address. I don't have service until it gets here.",
    "Fridge delivery || The men said they only deliver to the kerb. I paid for 'to the place of use'. I am 74 and live on the third floor.",
    "parcel locker won't open, code 5531 'not valid', medication inside",
    "When will the Ombrelo tents be delivered? The page says 'soon' since spring.",
    "Wo bleibt mein Paket? Seit einer Woche heißt es nur 'wird zugestellt'.",
    "Sendung beschädigt || Der Karton war aufgerissen und der Inhalt nass. Ich habe Fotos gemacht. Wie geht es weiter?",
    "Mon colis est marqué livré mais je n'ai rien reçu et les voisins non plus.",
    "¿Dónde está mi paquete? Lleva diez días sin moverse.",
    "Il pacco risulta consegnato ma io non ho ricevuto niente.",
    "meu pedido não chegou e o rastreio não atualiza desde o dia 3",
    "Waar blijft mijn pakket? Het zou gisteren komen.",
    "Gdzie jest moja paczka? Miała być w poniedziałek.",
    "kargom nerede, bir haftadır bekliyorum",
    "أين طلبي؟ كان من المفترض أن يصل قبل ثلاثة أيام",
    "荷物がまだ届きません。追跡番号は LM2213007 です。",
    "快递显示已签收，但是我根本没收到！",
  ],
  product_question: [
    "Is the Pelto backpack waterproof or just 'water resistant' like the last one?",
    "does the korvo 3 work with fibre",
    "Is the Lumo desk lamp dimmable?",
    "When are the grey ones back in stock?",
    "What is the difference between the Brask D40 and D40 Pro except 80 money",
    "can the tent be used in snow? asking for a friend who is an idiot (me)",
    "Does the travel insurance cover a child that gets chickenpox the day before we leave?",
    "API limits || We plan about 3 million calls a month. Does Planfold throttle per key or per workspace? And is there a sandbox?",
    "how do i descale the coffee machine, manual is in korean",
    "Are these made without nickel? I come out in a rash.",
    "Which of your phone plans works in Switzerland without extra cost? We cross the border every day.",
    "What's the interest on the savings account after the first six months? The page only talks about the first six.",
    "hi does the bike fit someone 1.52m",
    "Can I export my boards to a spreadsheet and if yes where is the button",
    "Is breakfast included and is there something without lactose?",
    "Passt der Akku vom alten Brask D20 auch in den D40?",
    "Wie lange hält die Batterie bei normalem Gebrauch?",
    "Est-ce que la garantie couvre la casse de l'écran ?",
    "questo modello è compatibile con il forno a induzione?",
    "czy ten model będzie jeszcze dostępny w kolorze czarnym?",
    "यह फोन दो सिम वाला है क्या?",
    "このテントは二人で使えますか？",
  ],
  technical_issue: [
    "app crashes",
    "App keeps crashing since yesterday's update, right after the blue screen with the whale.",
    "Error 0x5F2 when exporting || Every export over 10,000 rows stops at 63 % with error 0x5F2. Smaller ones work. Version 8.3.1, happens on three machines.",
    "internet down since 6am, whole street. router blinks red",
    "no signal no calls nothing, restarted 4 times",
    "PRODUCTION IS DOWN. Your API returns 503 on every call since 14:02 UTC. Our checkout depends on it. We are losing orders every minute. Ticket with priority 1 please, and a human.",
    "search on your website finds nothing, not even 'shoes'",
    "The headphones connect to my phone but not to my laptop, and when they do, they sound like a submarine.",
    "Printer says paper jam. There is no paper in it. There has never been any paper in it.",
    "the map in the app shows my scooter in the sea 🌊🛴 it's in front of me",
    "Sync lost my notes from two weeks!! Please tell me there is a backup. It's my thesis.",
    "Webhook deliveries arrive twice about 1 % of the time since Thursday, same event id. Is that expected?",
    "dark mode is white",
    "the card reader in our shop has not connected since this morning and there is a queue out of the door",
    "heating app: 'device offline', flat is 14 degrees, baby is 5 weeks old. please hurry",
    "Video call: they hear me, I don't hear them. Nice for them I guess.",
    "after update font is tiny tiny tiny",
    "Ticket machine ate my 20 and gave no ticket, platform 3, around 17:15 today",
    "Die App stürzt beim Öffnen sofort ab, seit dem Update auf 8.3. Neuinstallation hat nichts gebracht.",
    "Internet fällt jeden Abend zwischen 20 und 22 Uhr aus. Kundennummer 33-90021. Das geht jetzt seit drei Wochen so, ich arbeite von zu Hause!",
    "non funziona più la televisione via internet, errore 7021",
    "O aplicativo trava na tela de carregamento desde ontem.",
    "Strona nie działa, błąd 500 od rana.",
    "التطبيق لا يعمل بعد التحديث الأخير، يغلق فوراً",
    "アップデート後、アプリが起動しなくなりました。",
    "网页一直打不开，显示错误 502",
    "De app doet het niet meer na de update, alleen een wit scherm.",
  ],
  subscription_plan: [
    "cancel my subscription",
    "How do I switch from monthly to yearly? And do I lose the rest of this month?",
    "Unsubscribe me from the newsletter. I have clicked the link eleven times. ELEVEN.",
    "free trial || I thought the trial was 30 days, it ended after 14 and charged me for a year. I want to step back from this.",
    "want more data, 5 GB is gone after a week, what plans are there",
    "Can I pause my gym membership for 2 months? Broken ankle.",
    "downgrade to free pls, we're only 3 people now",
    "My contract ends in February. What do you offer people who stay?",
    "we need 12 more seats by Monday, does the price per seat change above 50?",
    "It renewed automatically without any reminder. I haven't used it since the summer. Please undo it.",
    "family plan: can my ex be removed without it telling him",
    "Ich kündige hiermit meinen Vertrag 448-100-2 fristgerecht zum nächstmöglichen Zeitpunkt. Bitte bestätigen Sie den Eingang schriftlich.",
    "Je veux résilier mon abonnement, où se trouve le bouton ? Je ne le vois nulle part.",
    "quero cancelar minha assinatura, já tentei pelo app e não deixa",
    "Üyeliğimi iptal etmek istiyorum.",
  ],
  security_fraud: [
    "SOMEONE IS TAKING MONEY FROM MY ACCOUNT RIGHT NOW. 3 payments in 5 min to a shop I don't know. BLOCK MY CARD",
    "my wallet was stolen on the tram an hour ago, both cards were in it",
    "I got a mail from 'you' asking me to confirm my card at a strange address. Is it real? I did not click. (I did click. I didn't type anything.)",
    "Signed in from Novgrad?? || I've never been to Novgrad. Your mail says a new device signed in there last night. I changed the password, what else?",
    "a nice man called from your bank and asked for the code in the text message and i gave it to him. i think that was wrong. i am 79",
    "Someone ordered 3 phones in my name, I get the bills and a letter from a debt collector. I've been to the police, file number follows.",
    "I can see another customer's invoices when I change the number in the address bar. You probably want to fix this before somebody less friendly notices.",
    "Data request || Which of my data do you store, for what, and who gets it? I expect an answer within the month the law gives you.",
    "unknown charge 89.99 'TRSL DIGITAL'. never bought anything there",
    "api key of ours was pushed to a public repo by an intern. revoked it. can you check whether it was used between 9 and 11?",
    "Meine Karte wurde gestohlen, bitte sofort sperren!",
    "Me robaron el móvil con la app del banco abierta, ¡bloqueen todo ya!",
    "Skradziono mi kartę, proszę o natychmiastową blokadę!!!",
    "हमारे खाते से किसी ने 12000 रुपये निकाल लिए हैं, तुरंत कार्ड ब्लॉक करें",
    "我的银行卡被盗刷了，请马上冻结！",
  ],
  feedback_complaint: [
    "Thank you!! || Just wanted to say that Irene from your night team stayed with me on chat for an hour until it worked. Give that woman a raise. 🌟🌟🌟🌟🌟",
    "worst service ever, never again",
    "Love the new app 😍 so fast now",
    "idea: let me sort the list by price PER KILO. everybody would love you",
    "I have been a customer for 22 years and this is the first time I felt like a number. Shame on you.",
    "The music in the waiting line. I beg you. Four notes. For forty minutes.",
    "Your driver was very kind to my dog. That's all, have a nice day",
    "You call it 'eco packaging' and send one lipstick in a box the size of a microwave, with a metre of paper.",
    "meh. its ok i guess. 3/5",
    "The crew on QX418 were rude from boarding to landing. My father is in a wheelchair and was left at the gate for half an hour while everybody looked the other way.",
    "The new design is a step backwards, everything takes two clicks more than before. Please give us the old one as an option.",
    "Honestly, best bank I've ever had. It just works and nobody calls me.",
    "Three agents, three different answers. First one said the delivery was free, second one said it was 9.90, third one said that the offer does not exist. Is there anybody there who knows? I don't even care about the 9.90 any more, I care about being told things that are not so. I wrote everything down, with times and first names, and I'm happy to send you the list, provided that somebody reads it. I used to recommend you to people. I did it on a train once, to a complete stranger. I'd like to find her and apologise.",
    "So. Let me tell you how my week went. On Monday I ordered a bed. A simple bed: four legs, a frame, slats. On Tuesday you wrote that the bed had been sent. On Wednesday two men came, in the rain, with a wardrobe. I said I had ordered a bed. They said the paper says wardrobe. I said the paper is wrong. They said they only have the paper. So I have a wardrobe now, in the hall, in the rain-wet cardboard, and I climb over it to get to the kitchen. On Thursday I called. After fifty minutes a young man told me that according to his screen I own a bed. I invited him to come and look at it. He said he'd open a case. On Friday I got a survey: how satisfied am I with my new bed? One to ten. There was no zero. I slept on the floor the whole week, I am fifty-eight years old, and my back makes noises like an old ship. What I want is this: take the wardrobe away, bring me the bed, and let a person with a name write to me, today, who stays with it until I lie in it. And take zero into your survey. You will need it. — case 77-2201-B, order BN-41902, and yes, I have photographs, I have photographs of all of it, also of the hall.",
    "Ganz großes Lob an euren Kundendienst, das ging ja schneller als gedacht!",
    "Eine Frechheit, wie man hier behandelt wird. 45 Minuten Warteschleife und dann aufgelegt.",
    "Service déplorable, personne ne répond et on nous raccroche au nez.",
    "Siete stati gentilissimi, grazie davvero.",
    "Wat een geweldige service, binnen een uur opgelost!",
    "çok memnun kaldım, teşekkürler",
    "شكراً لكم على الخدمة الممتازة والسريعة",
    "対応がとても丁寧で助かりました。ありがとうございました。",
    "péssimo atendimento, não respondem há três semanas",
    "To whom it may concern, and I do hope that it concerns somebody. This is the fourth letter about the line at my mother's house, and I will start from the beginning, because each of your people asks me to start from the beginning. In April we asked for the line to be moved from Orchard Road to the new flat, two streets away. We were told: ten working days. In May a technician came to the old house, which was empty, rang, waited (so he says) and wrote 'customer absent'. In June a second technician came to the right house with the wrong socket. He was very polite. He said he would be back on Thursday, and he may well have meant it. In July you started to bill two lines, one that was switched off and one that did not exist yet, and when I asked for the second bill to be withdrawn, the first one was withdrawn instead, together with the number my mother has had since 1971 and which every one of her friends knows by heart, those who are left. In August I was told that the number was 'in quarantine' for ninety days. A number. In quarantine. In September a letter thanked us for choosing you again. I did not throw it away; it is in the folder, with the others, in order of date. Now to what I ask for, and I have numbered it so that nobody needs to read the rest. One: the number back, before the quarantine ends, since it was your mistake that sent it there. Two: a working line at the new flat, with a date, a name and an hour. Three: the bills of July, August and September put right, which by my count is 118.40 in her favour. Four: one person. Not a team, not a case, not a 'journey'. One person whom I may write to and who does not ask me to start from the beginning. My mother is 88 and lives alone. She has an alarm button around her neck that needs this line, and for five months it has been a piece of jewellery. If something happens to her I will not be this polite. Account 20-55817, orders MV-3310 and MV-3377, complaint numbers 61, 74 and 90 of this year.",
  ],
  contact_request: [
    "human please",
    "Can somebody call me back? Tomorrow after 4, I work shifts.",
    "what are your opening hours on public holidays",
    "I DON'T WANT TO TALK TO A BOT",
    "Appointment at the branch || I would like to talk about a mortgage with a person, across a table. When and where?",
    "Is there an address for letters? My lawyer prefers paper.",
    "Bitte um Rückruf, es geht um mein Depot. Vormittags erreichbar.",
    "Je voudrais parler à un conseiller, s'il vous plaît.",
    "quiero hablar con una persona, no con una máquina",
    "Czy mogę prosić o kontakt telefoniczny?",
    "أريد التحدث مع موظف من فضلكم",
  ],
  other: [
    "hello?",
    "asdf",
    "???",
    "👍",
    "ok thx",
    "Dear business owner, we improve the ranking of your web page, first place guaranteed, only this week. Write to growth@example.org",
    "test test 123 pls ignore",
    "sorry wrong chat, that was for my sister",
    "Do you know if it is going to rain tomorrow",
    "Lorem ipsum?",
    "Guten Tag",
    "merci",
    "hola buenas",
    "नमस्ते",
    "Hi, ich hab eine Frage, but my English is better for this: wie spät schließt ihr heute, and is there parking?",
    "bonjour, the package est arrivé mais it's empty, qué hago?? muy raro todo",
  ],
};

const FIRST_TICKET = 1001;
const FIRST_DAY = Date.UTC(2026, 9, 5, 6, 30);
const MINUTE_MS = 60_000;

/**
 * About 300 support queries as a source collection might hold them: string and number ids, several shapes, a few
 * without text, a few hostile. The same on every machine and at every call.
 */
export const DEMO_DOCUMENTS: readonly SourceDocument[] = weave([
  ...Object.values(QUERIES).map((texts) => texts.map(shape)),
  DEMO_CONVERSATIONS,
]).map((fields, index) => ({ _id: idAt(index), createdAt: createdAt(index), ...fields }));

/** Mixes lists so that any stretch of the result looks like the whole: multiples of the golden ratio never cluster. */
function weave<T>(lists: readonly (readonly T[])[]): T[] {
  return lists
    .flatMap((list, which) => list.map((entry, at) => ({ entry, place: (at * 0.618034 + which * 0.13) % 1 })))
    .sort((a, b) => a.place - b.place)
    .map(({ entry }) => entry);
}

/** The same text by the channel it came in: each has its own field names. */
function shape(line: string, index: number): Record<string, unknown> {
  const [head = "", text] = line.split(" || ");
  if (text !== undefined) {
    return index % 2 === 0
      ? { channel: "email", subject: head, body: text }
      : { channel: "form", subject: head, description: text, customer: { plan: index % 4 === 1 ? "plus" : "basic" } };
  }
  switch (index % 5) {
    case 0:
      return { channel: "chat", message: line };
    case 1:
      return { channel: "app", query: line, appVersion: `8.${index % 4}.0` };
    case 2:
      return { channel: "form", description: line, tags: ["web"] };
    default:
      return { text: line };
  }
}

function idAt(index: number): string | number {
  if (index % 11 === 4) return 48_210_000 + index * 7;
  if (index % 29 === 8) return `chat-${((index * 2_654_435_761) % 0xffffff).toString(16).padStart(6, "0")}`;
  return `T-${FIRST_TICKET + index}`;
}

function createdAt(index: number): string {
  const minutes = index * 14 + ((index * 37) % 11);
  return new Date(FIRST_DAY + minutes * MINUTE_MS).toISOString();
}
