//! Private preferences: replaced as a whole, hidden in part from app passwords.

use serde_json::{Value, json};

use crate::harness::Client;

const GET: &str = "app.bsky.actor.getPreferences";
const PUT: &str = "app.bsky.actor.putPreferences";

async fn get(client: &Client) -> Value {
    client.query(GET, &[]).await.ok()["preferences"].clone()
}

on_both_engines! {
    /// What was put is what is got, in its order, and nothing of before.
    async fn preferences_are_replaced_as_a_whole(town) {
        let alice = town.owner("alice").await;
        assert_eq!(get(&alice.client).await, json!([]));
        let adult = json!({ "$type": "app.bsky.actor.defs#adultContentPref", "enabled": true });
        let labels = json!({ "$type": "app.bsky.actor.defs#contentLabelPref", "label": "dogs", "visibility": "warn" });
        let both = json!({ "preferences": [labels, adult] });
        alice.client.procedure(PUT, &both).await.ok();
        assert_eq!(get(&alice.client).await, both["preferences"]);
        alice.client.procedure(PUT, &json!({ "preferences": [adult] })).await.ok();
        assert_eq!(get(&alice.client).await, json!([adult]));
        let bob = town.owner("bob").await;
        assert_eq!(get(&bob.client).await, json!([]));
    }

    /// Another namespace is not kept here.
    async fn preferences_of_other_namespaces_are_refused(town) {
        let alice = town.owner("alice").await;
        for preference in [json!({ "$type": "com.example.pref" }), json!({ "$type": "app.bskyother.pref" })] {
            let input = json!({ "preferences": [preference] });
            alice.client.procedure(PUT, &input).await.refused(400, "InvalidRequest");
        }
        alice.client.procedure(PUT, &json!({ "preferences": [{}] })).await.refused(400, "InvalidRequest");
    }

    /// The birth date is the owner's alone; whether it makes them old enough is told.
    async fn an_app_password_does_not_see_the_birth_date(town) {
        let alice = town.owner("alice").await;
        let details = json!({ "$type": "app.bsky.actor.defs#personalDetailsPref", "birthDate": "2009-06-01T00:00:00.000Z" });
        let age = json!({ "$type": "app.bsky.actor.defs#declaredAgePref", "isOverAge13": true, "isOverAge16": true, "isOverAge18": false });
        alice.client.procedure(PUT, &json!({ "preferences": [details] })).await.ok();
        assert_eq!(get(&alice.client).await, json!([details, age]));
        let made = alice.client.procedure("com.atproto.server.createAppPassword", &json!({ "name": "bot" })).await.ok();
        let credentials = json!({ "identifier": alice.handle, "password": made["password"] });
        let session = town.visitor().procedure("com.atproto.server.createSession", &credentials).await.ok();
        let bot = town.visitor().with_token(session["accessJwt"].as_str().unwrap_or_default());
        assert_eq!(get(&bot).await, json!([age]));
        bot.procedure(PUT, &json!({ "preferences": [details] })).await.refused(400, "InvalidRequest");
        let adult = json!({ "$type": "app.bsky.actor.defs#adultContentPref", "enabled": false });
        // Clients send back all that they were shown.
        bot.procedure(PUT, &json!({ "preferences": [adult, age] })).await.ok();
        assert_eq!(get(&alice.client).await, json!([adult, details, age]));
    }

    /// Two who write at once lose nothing of what only one of them sees.
    async fn writers_at_once_keep_each_others(town) {
        let alice = town.owner("alice").await;
        let made = alice.client.procedure("com.atproto.server.createAppPassword", &json!({ "name": "bot" })).await.ok();
        let credentials = json!({ "identifier": alice.handle, "password": made["password"] });
        let session = town.visitor().procedure("com.atproto.server.createSession", &credentials).await.ok();
        let bot = town.visitor().with_token(session["accessJwt"].as_str().unwrap_or_default());
        let adult = json!({ "$type": "app.bsky.actor.defs#adultContentPref", "enabled": false });
        for year in 1980..2000 {
            let born = format!("{year}-06-01T00:00:00.000Z");
            let details = json!({ "$type": "app.bsky.actor.defs#personalDetailsPref", "birthDate": born });
            let (mine, others) = (json!({ "preferences": [details] }), json!({ "preferences": [adult] }));
            let writes = (alice.client.procedure(PUT, &mine), bot.procedure(PUT, &others));
            let (one, other) = tokio::join!(writes.0, writes.1);
            one.ok();
            other.ok();
            let kept = get(&alice.client).await;
            assert!(kept.as_array().is_some_and(|kept| kept.contains(&details)), "{kept}");
        }
    }
}
