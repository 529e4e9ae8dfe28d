//! What a server says about itself before anybody has an account.

on_both_engines! {
    /// Clients find the server's DID and handle domains.
    async fn the_server_describes_itself(town) {
        let description = town
            .visitor()
            .query("com.atproto.server.describeServer", &[])
            .await
            .ok();
        assert_eq!(description["did"], "did:web:pds.test");
        assert_eq!(description["availableUserDomains"], serde_json::json!([".pds.test"]));
    }

    /// A method that nobody knows has the protocol's error.
    async fn an_unknown_method_is_named_as_such(town) {
        let visitor = town.visitor();
        visitor.query("com.example.nothing", &[]).await.refused(501, "MethodNotImplemented");
    }
}
