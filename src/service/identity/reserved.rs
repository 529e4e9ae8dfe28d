//! Names before a domain of this server that nobody may take for themselves:
//! they would speak for the server, or for somebody they are not.
//!
//! Everything between three and eighteen characters; what is shorter is
//! refused anyway. The operator may still give them out.

/// The server and those who run it.
const THE_SERVER: &str = "\
     about abuse account accounts admin administrator android api app apps assets auth backup \
     billing blog bot bots cdn ceo certificate community compliance config contact control \
     council cron daemon dashboard database demo deploy dev developer developers dns docs \
     download downloads email enquiries error errors example faq feedback finance forum founder \
     founders ftp guest guide help helpdesk home host hosting hostmaster https image images imap \
     info infra internal ios ipv4 ipv6 jobs kubernetes legal localdomain localhost login logout \
     mail mailer mailer-daemon maintenance marketing media metrics mobile mod moderation \
     moderator moderators mods monitor mta-sts mysql network news newsletter nginx no-reply \
     nobody noc noreply ns1 ns2 ns3 null oauth office official oidc operations operator ops owner \
     password payment payments policy pop pop3 portal postgres postmaster press preview privacy \
     private prod production proxy public redis registrar registration root router saas sales \
     sandbox search secure security server servers service services session sessions settings \
     setup sftp shop signin signout signup site sitemap smtp source spam ssh ssl sso staff stage \
     staging static statistics stats status store subscribe superuser support sysadmin system \
     team teams telnet terms test tester testing tests tls tools trust unknown update updates \
     upload uploads usenet user username users uucp verification verify vpn web webmail webmaster \
     website well-known whois wiki wpad www www1 www2 xmpp xrpc";

/// The protocol and its services.
const THE_PROTOCOL: &str = "\
     appview atproto atprotocol aturi bgs bluesky blueskyweb bsky bskyapp bskysocial bskyteam \
     chat-bsky did didplc didweb feed feedgen firehose freehold handle handles identity jetstream \
     label labeler labelers labels lexicon lexicons ozone pds plc plc-directory relay repo repos \
     skyfeed skyline tid";

/// Words that look like a part of an address.
const ADDRESS_WORDS: &str = "\
     activity all anonymous archive author authors calendar category channel channels chat \
     checkout client clients code comment comments company connect content create css data date \
     default delete desktop direct-messages directory discover discovery document documents \
     domain domains donate edit editor embed event events everyone explore export external \
     favorite favorites file files filter follow follower followers following friend friends fun \
     games group groups hashtag here hidden hot html http icon icons import inbox index interest \
     invite invites item items javascript join json language languages latest like likes link \
     links list lists live local location map maps mention mentions message messages music mute \
     muted new next none notification notifications now offline online order orders page pages \
     people photo photos plan plans play popular post posts premium pricing print product \
     products profile profiles project projects quote recent recover redirect register remove \
     replies reply report reports repost reset review reviews rss save saved script self send \
     share start style submit subscription subscriptions tag tags task tasks thread threads \
     timeline today token topic topics trend trending trends tutorial type undefined undo \
     unfollow url video videos view watch weather webhook webhooks welcome widget widgets xml you \
     your";

/// Names that would be taken for somebody well known.
const WELL_KNOWN: &str = "\
     adobe airbnb alibaba alphabet amazon amd america anthropic apnews apple arsenal \
     associatedpress atlantic atlassian bankofamerica barackobama bbc bbcnews beyonce biden \
     billgates bitcoin blackrock bloomberg boeing cbsnews chatgpt chelseafc chrome cia cisco \
     citibank clinton cloudflare cnbc cnn cocacola coinbase congress costco debian deepmind \
     deutschebank discord disney donaldtrump drake ebay economist elonmusk emmanuelmacron espn \
     ethereum europa european-union eurovision facebook fbi fcbarcelona fedex fifa firefox \
     firstlady flickr fortnite foxnews gates github gitlab gmail gnu goldmansachs google gov \
     government greenpeace guardian gucci harvard hbo hsbc hulu ibm ieee ietf ikea imf instagram \
     intel interpol irs jaygraber joebiden jpmorgan kamalaharris kremlin lego linkedin linux \
     linuxfoundation loreal macdonalds macron manutd mastercard mastodon mcdonalds messi meta \
     microsoft mit mlb mozilla msnbc musk narendramodi nasa nato nba nbc nbcnews netflix \
     newyorktimes nfl nhl nike nintendo nobelprize npr nvidia nytimes obama olympics openai \
     oracle oxford parliament patreon paypal pbs pentagon pepsi pfizer playstation pope potus \
     president primeminister putin python pytorch realmadrid redcross reddit reuters rihanna \
     rockstar roku ronaldo rustlang samsung scotus senate shopify signal slack snapchat sony \
     spacex spotify stanford starbucks starlink startrek starwars stripe substack supremecourt \
     taylorswift telegram tesla theguardian tiktok toyota treasury trump tumblr twitch twitter \
     uber uefa ukraine unesco unhcr unicef unitednations unitedstates ups usa valve vatican \
     verizon visa volkswagen vpotus walmart washingtonpost wechat wellsfargo whatsapp whitehouse \
     who wikimedia wikipedia windows wired wordpress worldbank wsj xbox yahoo yale youtube \
     zelensky zelenskyy zoom zuckerberg";

/// Returns whether `label`, in lower case, is reserved.
pub(super) fn contains(label: &str) -> bool {
    [THE_SERVER, THE_PROTOCOL, ADDRESS_WORDS, WELL_KNOWN]
        .iter()
        .any(|names| names.split(' ').any(|name| name == label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_names_are_whole_labels() {
        for name in ["abuse", "admin", "www2", "bsky", "xrpc", "your", "zuckerberg"] {
            assert!(contains(name), "{name}");
        }
        for name in ["", "alice", "admins-cat", "adm", "min", "admin abuse"] {
            assert!(!contains(name), "{name}");
        }
    }
}
